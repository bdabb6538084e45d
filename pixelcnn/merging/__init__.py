"""Run folders of one benchmark, from several machines or people, joined into one.

What does not belong together is refused by name; nothing is averaged, chosen without a word or
changed where it was.
"""
