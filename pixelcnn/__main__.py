"""`python -m pixelcnn` is the command `pixelcnn`."""

from pixelcnn.cli import entry

entry()
