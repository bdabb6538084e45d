"""What needs a trained model to be looked at: receptive fields, neighbours, classifier, gaps, cost.

Called by the command line, one command each for a run, a dataset and a variant.
"""
