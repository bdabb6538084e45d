"""The command line `pixelcnn`: the only place that puts the parts together. One file a command.

Called by users and by the rules of the workflow; nothing of the package imports it.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from types import FrameType

import click
from click.shell_completion import shell_complete

from pixelcnn import __version__
from pixelcnn.system import processes, surroundings
from pixelcnn.system.errors import Interrupted, RunFailed, UserError

#: In the order in which one meets them. Each is a function of this name in the file of this name.
COMMANDS = (
    "plan", "prepare", "precision", "train", "evaluate", "sample", "classify", "analyse", "measure",
    "audit", "report", "merge", "publish", "seeds", "trial", "tuned", "track", "ui", "score", "complete",
    "compress", "decompress", "check", "schema",
)  # fmt: skip

#: Exit statuses: a mistake in the input, a run that failed, a signal (128 + its number), and a signal
#: that came while a state was there to save: "try again" of sysexits.h, the same command resumes it.
BAD_INPUT, RUN_FAILED, INTERRUPTED = 2, 1, 75


class Commands(click.Group):
    """The commands, each imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in COMMANDS:
            command: click.Command = getattr(import_module(f"{__name__}.{cmd_name}"), cmd_name)
            return command
        if ctx.resilient_parsing:  # a line that is only to be completed
            return None
        raise click.exceptions.NoSuchCommand(cmd_name, possibilities=COMMANDS, ctx=ctx)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="pixelcnn %(version)s")
def pixelcnn() -> None:
    """Benchmark of PixelCNN models."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status and prints a user's mistake as one message."""
    # Not click's own `main`: its statuses for a broken pipe and an interrupt are others.
    given = [*(sys.argv[1:] if arguments is None else arguments)]
    name = " ".join(["pixelcnn", *given[:1]])
    signal.signal(signal.SIGTERM, _terminate)
    try:
        with pixelcnn.make_context("pixelcnn", given) as context:
            status = pixelcnn.invoke(context) or 0
        sys.stdout.flush()  # while an error of it can still be told
        return int(status)
    except click.exceptions.Exit as done:  # after --help and --version
        return done.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        return _say(error.format_message(), BAD_INPUT)
    except click.UsageError as error:
        name = name if error.ctx is None else error.ctx.command_path
        return _say(f"{name}: error: {error.format_message()} (see {name} --help)", BAD_INPUT)
    except RunFailed as error:
        return _say(f"{name}: failed: {error}", RUN_FAILED)
    except UserError as error:
        return _say(f"{name}: error: {error}", BAD_INPUT)
    except Interrupted as reason:
        return _say(f"{name}: {reason}; its state is saved, the same command resumes it", INTERRUPTED)
    except KeyboardInterrupt:
        return _say(f"{name}: interrupted", 128 + signal.SIGINT)
    except BrokenPipeError:  # the reader of our output went away, as with `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except (OSError, UnicodeEncodeError) as error:  # a full disk, a folder that is read-only: not of ours
        return _say(f"{name}: failed: {_of_the_system(error)}", RUN_FAILED)


def _of_the_system(error: OSError | UnicodeEncodeError) -> str:
    if isinstance(error, UnicodeEncodeError):  # of a path
        return (
            f"{error.object!r} cannot be said in {error.encoding}, the encoding of this locale; "
            "PYTHONUTF8=1 in the environment helps"
        )
    where = "" if error.filename is None else f"{error.filename}: "
    return f"{where}{error.strerror or error}"


def entry() -> None:
    """The console script; answers a shell that completes a line, too."""
    surroundings.make_do()
    if asked := os.environ.get("_PIXELCNN_COMPLETE"):
        sys.exit(shell_complete(pixelcnn, {}, "pixelcnn", "_PIXELCNN_COMPLETE", asked))
    try:
        status = main()
    except SystemExit as terminated:  # by a signal, see `_terminate`
        status = terminated.code if isinstance(terminated.code, int) else int(terminated.code is not None)
        if isinstance(terminated.code, str):  # from a file of the user's own
            print(terminated.code, file=sys.stderr)
    processes.end(status)


def _say(sentence: str, status: int) -> int:
    print(sentence, file=sys.stderr)
    return status


def _terminate(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
