"""MLflow's pages: the command, the address, the browser."""

from __future__ import annotations

import socket
import sys

import pytest

from pixelcnn.results.folder import folder_of
from pixelcnn.system.errors import UserError
from pixelcnn.tracking import projection, ui
from pixelcnn.tracking.store import default_store

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
server.timeout = 1
threading.Timer(3, server.shutdown).start()
server.serve_forever()
"""
    command = [sys.executable, "-c", code]
    monkeypatch.setattr(ui, "ui_command", lambda folder, port: command)
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
