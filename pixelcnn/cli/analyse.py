"""`pixelcnn analyse`."""

from __future__ import annotations

import click

from pixelcnn.cli import options
from pixelcnn.cli.runs import Run


@click.command()
@options.of_a_run()
def analyse(run: Run) -> None:
    """What a trained run sees, has memorised and was asked for."""
    from pixelcnn.analysis.classifier import load_classifier
    from pixelcnn.analysis.run import analyse_run
    from pixelcnn.system import devices

    trained, data, device = run.checkpoint(), run.data(), run.device()
    classifier = None
    if run.spec.variant.conditional:
        classifier = load_classifier(run.files.classifier, data, device)
    with devices.out_of_memory("a machine with more of it is needed to look into this network"):
        found = analyse_run(trained, data, device, run.folder.path, run.benchmark.analysis, classifier)
    agreement = "" if found.agreement is None else f", {found.agreement:.1%} of samples show their label"
    print(
        f"{run.spec.name}: NLL {found.train_nll:.2f} training, {found.valid_nll:.2f} validation nats/image, "
        f"the centre sees {found.reach_pixels} of {found.earlier_pixels} earlier pixels and uses "
        f"{found.effective_pixels}{agreement}"
    )
