"""`python -m pixelcnn` is the command `pixelcnn`; where a fork server runs, it begins there in no time."""

from pixelcnn.system import forked

forked.hand_over()  # before the imports that it is to spare

from pixelcnn.cli import entry  # noqa: E402

entry()
