"""`python -m pixelcnn` is the command `pixelcnn`."""

import sys

from pixelcnn.cli import main

sys.exit(main())
