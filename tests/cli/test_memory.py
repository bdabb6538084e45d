"""What the commands advise where memory runs out."""

from __future__ import annotations

from pixelcnn.cli import main
from pixelcnn.models.base import AutoregressiveModel
from pixelcnn.sampling import fast

RUN = ("toy.yaml", "--variant", "base", "--seed", "0")
LEFT = "--batch-size is 1 already, what is left is a smaller network (hyperparameters)"


def test_evaluation_and_sampling_name_the_option_and_what_it_was(folder, monkeypatch, capsys):
    assert [main([*words]) for words in (["prepare", "toy.yaml"], ["train", *RUN])] == [0, 0]

    def ends(*arguments, **options):
        raise MemoryError

    monkeypatch.setattr(AutoregressiveModel, "forward", ends)
    monkeypatch.setattr(fast.FastSampler, "draw", ends)
    for command, usual in (("evaluate", 250), ("sample", 256)):
        for options, advice in (
            ((), f"lower --batch-size, which is {usual}"),
            (("--batch-size", "3"), "lower --batch-size, which is 3"),
            (("--batch-size", "1"), LEFT),
        ):
            capsys.readouterr()
            assert main([command, *RUN, *options]) == 1
            assert f"the CPU is out of memory: {advice}" in capsys.readouterr().err
