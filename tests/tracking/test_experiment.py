"""The experiment of a benchmark on a server that keeps users apart."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import pytest

from benchmarks.made_up import benchmark
from pixelcnn.config.benchmark import Benchmark
from pixelcnn.tracking.experiment import find_experiment, open_experiment
from pixelcnn.tracking.store import Store, TrackingError

pytest.importorskip("mlflow")


@pytest.fixture
def made(tmp_path) -> Benchmark:
    """A benchmark `toy`; no database is needed here."""
    return benchmark(tmp_path, seeds=[0])


class Server:
    """What several users see of one server: anybody may read, and change what they have made."""

    def __init__(self) -> None:
        self.owners: dict[str, str] = {}
        self.tags: dict[str, dict[str, str]] = {}
        self.unseen: set[str] = set()

    def client(self, user: str) -> SimpleNamespace:
        from mlflow.exceptions import MlflowException

        def refuse(code: str) -> None:
            raise MlflowException("Permission denied", error_code=code_number(code))

        def by_name(name: str) -> SimpleNamespace | None:
            if name in self.unseen:
                self.unseen.remove(name)
                return None
            if name not in self.owners:
                return None
            return SimpleNamespace(
                experiment_id=name, name=name, lifecycle_stage="active", tags=self.tags[name]
            )

        def create(name: str, tags: dict[str, str], **_: object) -> str:
            if name in self.owners:
                refuse("RESOURCE_ALREADY_EXISTS")
            self.owners[name], self.tags[name] = user, tags
            return name

        def change(name: str, *_: object) -> None:
            if self.owners[name] != user:
                refuse("PERMISSION_DENIED")

        def restore(name: str) -> None:
            change(name)
            refuse("RESOURCE_DOES_NOT_EXIST")  # what is not deleted

        return SimpleNamespace(
            get_experiment_by_name=by_name, get_experiment=by_name, create_experiment=create,
            set_experiment_tag=change, restore_experiment=restore,
        )  # fmt: skip


def code_number(name: str) -> int:
    from mlflow.protos.databricks_pb2 import ErrorCode

    return ErrorCode.Value(name)


def store(user: str) -> Store:
    return Store(f"http://{user}:secret@host", None)


def opened(server: Server, made, user: str) -> str:
    return open_experiment(server.client(user), store(user), made)[1]


def test_who_may_not_change_an_experiment_has_one_of_their_own_and_keeps_it(made):
    server = Server()
    assert [opened(server, made, user) for user in ("ana", "ben", "ana", "ben")] == ["toy", "toy (ben)"] * 2
    server.owners["toy"] = "ben"  # who may change it from now on
    assert opened(server, made, "ben") == "toy (ben)"
    find = partial(find_experiment, server.client("ben"), store("ben"), made)
    assert find().name == "toy (ben)"
    # A folder that several work in: whoever tracks it, there the runs are.
    opened(server, made, "ana")
    assert (find("toy (ana)").name, find("toy").name) == ("toy (ana)", "toy")


def test_an_experiment_that_was_noted_as_nobodys_is_left_for_a_further_one(made, monkeypatch):
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    server = Server()
    opened(server, made, "ana")
    opened(server, made, "ben")
    server.owners["toy (ben)"] = "nobody"  # as when the server is killed right after making it
    assert [opened(server, made, "ben") for _ in range(2)] == ["toy (ben, 2)"] * 2
    assert sum(waited) == 2.0, "it is asked a second time, once"
    find = partial(find_experiment, server.client("ben"), store("ben"), made)
    assert find().name == "toy (ben, 2)"
    for owner in ("ben", None):  # as when it is given back, or removed
        server.owners["toy (ben)"] = owner
        if owner is None:
            del server.owners["toy (ben)"]
        assert (opened(server, made, "ben"), find().name) == ("toy (ben, 2)", "toy (ben, 2)")
    server.owners |= {"toy (ben, 2)": "nobody", "toy (ben, 3)": "nobody"}
    server.tags["toy (ben, 3)"] = {}
    with pytest.raises(TrackingError, match="does not allow that to ben"):
        opened(server, made, "ben")


def test_an_experiment_that_another_makes_at_the_same_moment_is_found(made):
    server = Server()
    assert opened(server, made, "ana") == "toy"
    server.unseen = {"toy"}  # as when ana makes it between the question and the attempt
    assert opened(server, made, "ben") == "toy (ben)"
    server.unseen = {"toy"}
    assert opened(server, made, "ana") == "toy"


def test_without_a_name_a_refusal_is_told(made, monkeypatch):
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    server = Server()
    opened(server, made, "ana")
    with pytest.raises(TrackingError, match="does not allow that to whoever has no name"):
        open_experiment(server.client(""), Store("http://host", None), made)
