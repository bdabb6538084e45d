"""MLflow's pages: the command, the address, the browser."""

from __future__ import annotations

import http.server
import json
import platform
import socket
import sys
import threading

import pytest

from pixelcnn.cli import main
from pixelcnn.results.folder import folder_of
from pixelcnn.system.errors import UserError
from pixelcnn.tracking import projection, ui
from pixelcnn.tracking.store import URI_VARIABLE, default_store

pytest.importorskip("mlflow")


def test_the_ui_has_a_command_and_an_address(made, tmp_path):
    projection.project(folder_of(made).path)
    for folder in (tmp_path, folder_of(made).path):
        command = ui.ui_command(folder, port=5123)
        assert command[command.index("--backend-store-uri") + 1] == default_store(tmp_path).uri
        assert command[command.index("--host") + 1] == "127.0.0.1"
    assert ui.runs_address(folder_of(made).path, port=5123).startswith("http://127.0.0.1:5123/#/experiments/")
    with pytest.raises(UserError, match=r"mlflow\.db: no MLflow database"):
        ui.ui_command(tmp_path / "nowhere")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port} on .* is not free"):
            ui.serve(folder_of(made).path, port=port)


@pytest.mark.parametrize(("desktop", "wanted"), [(True, True), (True, False), (False, True)])
def test_a_browser_opens_once_the_server_answers_and_only_on_a_desktop(
    made, monkeypatch, capsys, desktop, wanted
):
    projection.project(folder_of(made).path)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # A server in the place of MLflow's, which takes seconds.
    code = f"""
import http.server, threading
class OK(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
        threading.Timer(1, server.shutdown).start()
server = http.server.ThreadingHTTPServer(("127.0.0.1", {port}), OK)
end = threading.Timer(2.5, server.shutdown)
end.daemon = True
end.start()
server.serve_forever()
"""
    command = [sys.executable, "-c", code]
    monkeypatch.setattr(ui, "ui_command", lambda folder, **options: command)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    if desktop:
        monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    opened: list[str] = []
    monkeypatch.setattr(ui.webbrowser, "open", opened.append)

    assert ui.serve(folder_of(made).path, port=port, open_browser=wanted) == 0

    address = ui.runs_address(folder_of(made).path, port=port)
    assert opened == ([address] if desktop and wanted else [])
    assert address in capsys.readouterr().out


def test_a_database_elsewhere_is_what_is_served(made, tmp_path, monkeypatch):
    (tmp_path / "mlflow" / "mlflow.db").rename(tmp_path / "other.db")
    uri = f"sqlite:///{tmp_path / 'other.db'}"
    projection.project(folder_of(made).path, uri=uri)
    with pytest.raises(UserError, match=r"mlflow\.db: no MLflow database"):
        ui.ui_command(folder_of(made).path)
    monkeypatch.setenv(URI_VARIABLE, uri)
    command = ui.ui_command(folder_of(made).path)
    assert command[command.index("--backend-store-uri") + 1] == uri
    assert command[command.index("--default-artifact-root") + 1] == (tmp_path / "artifacts").as_uri()


class Tracking(http.server.BaseHTTPRequestHandler):
    """A server in the place of MLflow's that has every experiment, as number 7."""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        experiment = {"experiment_id": "7", "name": "toy", "lifecycle_stage": "active"}
        self.wfile.write(json.dumps({"experiment": experiment, "experiments": []}).encode())

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, format, *args):
        pass


def test_where_a_server_tracks_the_runs_its_address_is_told_and_none_is_started(made, monkeypatch, capsys):
    monkeypatch.setattr(ui.subprocess, "Popen", None)
    monkeypatch.setattr(ui, "has_desktop", lambda: False)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Tracking) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host = f"127.0.0.1:{server.server_port}"
        monkeypatch.setenv(URI_VARIABLE, f"http://me:secret@{host}/")
        assert main(["ui", str(folder_of(made).path)]) == 0
        server.shutdown()
    said = capsys.readouterr().out
    assert f" http://{host}/#/experiments/7/runs?" in said and "secret" not in said
    monkeypatch.setenv(URI_VARIABLE, "databricks")
    assert main(["ui", str(folder_of(made).path)]) == 2
    assert "tracked at databricks, whose own pages" in capsys.readouterr().err


def test_other_machines_may_ask_by_the_names_that_one_gives(made):
    """MLflow takes a browser's searches only from pages of hosts that it was told of."""
    from mlflow.server.security_utils import is_allowed_host_header, should_block_cors_request

    def asked(options, name):
        command = ui.ui_command(folder_of(made).path, port=5123, **options)
        if "--allowed-hosts" not in command:
            return None
        hosts, origins = (
            command[command.index(f"--{option}") + 1].split(",")
            for option in ("allowed-hosts", "cors-allowed-origins")
        )
        blocked = should_block_cors_request(f"http://{name}", "POST", origins)
        return is_allowed_host_header(hosts, name), not blocked

    assert asked({}, "elsewhere") is None, "this machine alone"
    everywhere = {"host": "0.0.0.0"}
    assert asked(everywhere, f"{platform.node()}:5123") == asked(everywhere, "127.0.0.1:5123") == (True, True)
    assert asked(everywhere, "evil.example") == (False, False)
    named = {**everywhere, "allowed_hosts": "gpu7, *.lab.example"}
    for name in ("gpu7", "gpu7:5123", "a.lab.example:5123", "localhost:5123", f"{platform.node()}:5123"):
        assert asked(named, name) == (True, True), name
    assert asked(named, f"{platform.node()}x") == (False, False)
    assert asked({**everywhere, "allowed_hosts": "*"}, "anyone") == (True, True)
    assert asked({"host": "10.1.2.3"}, "10.1.2.3:5123") == (True, True)


def test_a_host_that_is_not_this_machines_is_told(made, capsys):
    projection.project(folder_of(made).path)
    assert main(["ui", str(folder_of(made).path), "--host", "192.0.2.1", "--port", "5123"]) == 2
    assert "--host: '192.0.2.1' is no address of this machine" in capsys.readouterr().err
