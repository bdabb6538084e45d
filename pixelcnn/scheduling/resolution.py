"""A benchmark with all that decides results written out, for a Snakefile: without torch where that is known.

To know every hyper-parameter takes the architectures' own code, which imports torch and takes seconds. What
`plan` found stands in config.json, and holds as long as the same is asked of the same code.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.config.reading import benchmark_from, check_text, load_planned
from pixelcnn.results.folder import folder_of, tuning_folder
from pixelcnn.system.code_digest import PACKAGE, own_files
from pixelcnn.system.errors import ConfigError

#: Where the package says which hyper-parameters there are, how large the images of a dataset and a network.
ASKED_OF = ("config", "data/sources", "layers", "likelihoods", "models", "tuning")


def key_of(written: Benchmark) -> str:
    """Another one when something else is asked for, or asked of other code."""
    digest = hashlib.sha256()
    for folder in ASKED_OF:
        for path in sorted((PACKAGE / folder).glob("*.py")):
            digest.update(path.read_bytes())
    asked: dict[str, Any] = {
        "datasets": {k: [asdict(v), own_files(v.source)] for k, v in written.datasets.items()},
        "variants": {
            k: [
                *(v.model, v.hyperparameters, own_files(v.model)),
                *(v.likelihood, v.likelihood_hyperparameters, own_files(v.likelihood)),
            ]
            for k, v in written.variants.items()
        },
        "matched": {
            k: [v.match_parameters, v.conditional]
            for k, v in written.variants.items()
            if v.match_parameters is not None
        },
    }
    if written.tuning is not None:  # what its trials are, too
        asked["tuning"] = [asdict(written.tuning), asdict(written.training)]
        asked["recipes"] = {k: v.training for k, v in written.variants.items()}
    digest.update(json.dumps(asked, sort_keys=True, default=str).encode())
    return digest.hexdigest()[:16]


def resolved_from(config: Mapping[str, Any], where: str, files: Iterable[Path] = ()) -> Benchmark:
    """The resolved benchmark of a description that was parsed already, from these `files`.

    Raises:
        ConfigError: naming `where`, the key, what it held and what was expected.
    """
    for path in files:
        check_text(path)
    written = benchmark_from(config, where)
    if written.resolved:
        return written
    key = key_of(written)
    known = _known(folder_of(written).config, key) or _known(tuning_folder(written).config, key)
    if known is None:
        known = _ask(config, where)
    keys = ("hyperparameters", "likelihood", "likelihood_hyperparameters")
    variants = {
        name: replace(variant, **{key: getattr(known.variants[name], key) for key in keys})
        for name, variant in written.variants.items()
    }
    found = replace(written, datasets=known.datasets, variants=variants, resolved=True, asked=key)
    # What is asked of widths and of tuning is part of the key.
    return replace(found, matched=known.matched, tuning=known.tuning)


def _known(path: Path, key: str) -> Benchmark | None:
    """What `plan` wrote, if it was asked for the same."""
    try:
        planned = load_planned(path)
    except ConfigError:
        return None  # not there yet, or of another version: it will be written anew
    planned = planned.tunes or planned
    return planned if planned.asked == key else None


def _ask(config: Mapping[str, Any], where: str) -> Benchmark:
    """The same benchmark as another process resolves it, which may import torch."""
    command = [sys.executable, "-m", "pixelcnn.scheduling.planning", where]
    done = subprocess.run(
        command, input=json.dumps(config, default=str), capture_output=True, text=True, encoding="utf-8"
    )
    if done.returncode != 0:
        raise ConfigError(done.stderr.strip() or f"{where}: cannot be resolved")
    return benchmark_from(json.loads(done.stdout), where)
