"""`pixelcnn audit`."""

from __future__ import annotations

import click

from pixelcnn.cli import options
from pixelcnn.cli.runs import Run
from pixelcnn.system.errors import UserError


@click.command()
@options.of_a_run(seed_needed=False)
def audit(run: Run) -> None:
    """Pay for test images in bits, and compare with their NLL."""
    from pixelcnn.coding.audit import audit_run
    from pixelcnn.evaluation.run import noted_in_record
    from pixelcnn.results.folder import folder_of

    if not (images := run.benchmark.audited):
        raise UserError("audit: the config has none; add audit: {images: 100}")
    if run.benchmark.tunes is not None:
        raise UserError(f"{run.spec.name}: a trial of a tuning, of which no test image is read")
    trained, data = run.checkpoint(), run.data()
    with noted_in_record(run.folder.path, "audit"):
        found = audit_run(trained, data, run.folder, images, run.threads or run.benchmark.threads)
    path = folder_of(run.benchmark).audit(run.spec.dataset_name, run.spec.variant_name)
    found.write(path)
    labels = f", its labels {found.label_bytes:,} bytes beside" if found.label_bytes else ""
    print(
        f"{path}: {found.images:,} test images, equal again, in {found.paid_bits / 8:,.0f} bytes{labels}; "
        f"{found.paid_bits_per_dim:.4f} bits/dim paid, NLL {found.bits_per_dim:.4f}, overhead "
        f"{found.paid_bits - found.nll_bits:,.0f} bits ({found.overhead:.2%}); compressing took "
        f"{found.compress_seconds / found.sampling_seconds:.1f}, decompressing "
        f"{found.decompress_seconds / found.sampling_seconds:.1f} times as long as sampling"
    )
