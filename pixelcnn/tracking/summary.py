"""What a projection did, in words."""

from __future__ import annotations

from dataclasses import dataclass, field

from pixelcnn.tracking.store import hide_password


@dataclass
class Summary:
    """What a projection did. Runs by name; `waiting` ones have no record on disk yet."""

    experiment: str
    experiment_id: str
    uri: str
    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    superseded: list[str] = field(default_factory=list)
    statuses: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    beside: str | None = None  # the experiment that has the benchmark's name and is not this user's

    @property
    def notice(self) -> str | None:
        """What is not as expected, though nothing is wrong."""
        if self.beside is None:
            return None
        return f"the experiment {self.beside} there is not yours, so the runs are in {self.experiment}"

    @property
    def ok(self) -> bool:
        """Whether MLflow is now in line with the whole folder."""
        return not self.problems

    def __str__(self) -> str:
        counts = ("created", "updated", "unchanged", "superseded", "waiting")
        told = ", ".join(f"{len(getattr(self, key))} {key}" for key in counts if getattr(self, key))
        problems = "".join(f"\n  problem: {problem}" for problem in self.problems)
        notice = f"; {self.notice}" if self.notice else ""
        return f"{self.experiment} in {hide_password(self.uri)}: {told or 'no runs'}{notice}{problems}"
