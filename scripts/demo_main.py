"""What `scripts/demo` runs when everything is set up; see there, or `scripts/demo --help`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import webbrowser
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import click
from demo_page.app import create_app
from demo_page.desk import DIALPLAN
from demo_page.hub import Hub
from demo_page.steps import StepFailed, Steps
from demo_page.walk import walk
from lab.gateway import HOST
from lab.ports import free_port
from lab.world import BEN_NUMBER, World
from rich.console import Console
from rich.markup import escape
from rich.rule import Rule

from mailgate.web.server import WebServer

_LOG_LINES = 15
# Who looks around on the page needs more time than a caller has patience, and tries more often than ten times an hour.
_PATIENT = {"hold_s": 300, "most_by_caller": 1000, "most_to_party": 1000}

console = Console(highlight=False)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--once", is_flag=True, help="Run both scenes by themselves, without a page, and end.")
@click.option("--scene", type=click.IntRange(1, 2), help="With --once: this scene alone; else: show it first.")
@click.option(
    "--port",
    type=click.IntRange(0, 65534),
    default=0,
    help="Of the page; the next is mailgate's.",
)
@click.option("--browser/--no-browser", default=True, help="Open the page in a browser.")
@click.option("--keep", is_flag=True, help="Keep the folder with configuration, mail and logs.")
@click.option("--number", default=BEN_NUMBER, help="With --once: what Ben types as his number.")
def main(once: bool, scene: int | None, port: int, browser: bool, keep: bool, number: str) -> None:
    """An e-mail becomes a telephone call, and so does a call that fails, on real parts."""
    folder = Path(tempfile.mkdtemp(prefix="mg-", dir="/tmp"))  # short: UNIX sockets live in it
    try:
        status = _run(_once(folder, number, scene) if once else _page(folder, port, browser, scene))
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is stopped, and what is left is done at once
        if keep:
            console.print(f"Kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(status)


def _run(work: Coroutine[Any, Any, int]) -> int:
    """Run to the end. SIGINT, SIGTERM and SIGHUP cancel once; a second one must not keep anything from stopping."""

    async def guarded() -> int:
        task = asyncio.ensure_future(work)
        loop = asyncio.get_running_loop()
        stopped_by: list[signal.Signals] = []

        def stop(number: signal.Signals) -> None:
            if not stopped_by:
                stopped_by.append(number)
                task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, stop, number)
        try:
            return await task
        except asyncio.CancelledError:
            console.print("Everything is stopped.")
            return 128 + stopped_by[0] if stopped_by else 1

    return asyncio.run(guarded())


async def _once(folder: Path, number: str, scene: int | None) -> int:
    steps = Steps(console)
    world = World(folder, dialplan=DIALPLAN)
    hub = Hub(world=world)
    try:
        with steps.step("Postfix, mailgate, Asterisk and the telephones run, as `mailgate deploy` sets them up"):
            await world.start()
            await hub.start()
        if scene != 2:
            console.print("\n[bold]1  An e-mail becomes a call[/]")
            await walk(world, hub, steps, number=number)
        if scene != 1:
            console.print("\n[bold]2  A call that fails becomes one that is answered[/]")
            from demo_page.walk_waiting import walk_waiting  # needs playwright, which the page does not

            await walk_waiting(world, hub, steps)
    except StepFailed as error:
        console.print(f"\n[bold red]Failed[/] {escape(str(error))}", soft_wrap=True)
        _show_logs(world)
        return 1
    finally:
        await _stopped(hub, world)
    done = {1: ["An e-mail became a bridged telephone call."], 2: ["A busy line became a call from a page."]}
    said = [*done[1], *done[2]] if scene is None else done[scene]
    console.print(f"\n[bold green]{' '.join(said)}[/] Everything is stopped.")
    return 0


async def _page(folder: Path, port: int, browser: bool, scene: int | None) -> int:
    """Runs until it is cancelled; returns only where something could not be started. `port` 0: any that is free."""
    given, port = port, port or free_port()
    origins = [f"http://{HOST}:{port}", f"http://localhost:{port}"]
    wishes = {"web": {"frame_ancestors": origins}, "failed_calls": _PATIENT}
    world = World(folder, configuration=wishes, dialplan=DIALPLAN)
    if given:
        world.gateway.web_port = port + 1
    hub = Hub(world=world)
    server = WebServer(create_app(hub), host=HOST, port=port)
    try:
        steps = Steps(console)
        with steps.step("Postfix, mailgate, Asterisk and the telephones run, as `mailgate deploy` sets them up"):
            await world.start()
        await hub.start()
        with steps.step("Ben has an extension, and `mailgate listen` runs on his screen"):
            await hub.desk.open()
        with steps.step("The page is served"):
            await server.start()
        url = f"http://{HOST}:{port}/{'#call' if scene == 2 else ''}"
        console.print(f"\nOpen [bold link={url}]{url}[/]  (Ctrl-C ends it and stops everything)")
        if browser:
            _open(url)
        await asyncio.Event().wait()
        return 0
    except StepFailed as error:
        console.print(f"\n[bold red]Failed[/] {escape(str(error))}", soft_wrap=True)
        _show_logs(world)
        return 1
    finally:
        await server.stop()
        await _stopped(hub, world)


async def _stopped(hub: Hub, world: World) -> None:
    with console.status("Stopping"):
        try:
            await hub.stop()
        finally:
            await world.stop()


def _show_logs(world: World) -> None:
    for name, text in world.logs().items():
        console.print(Rule(f"the end of what {name} wrote", align="left"))
        console.print("\n".join(text.splitlines()[-_LOG_LINES:]) or "(nothing)", markup=False, soft_wrap=True)


def _open(url: str) -> None:
    """Show the page where there is a display; as the person at it, where sudo made root of them."""
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return
    person = os.environ.get("SUDO_USER")
    with contextlib.suppress(OSError):
        if person and os.geteuid() == 0:
            kept = "--preserve-env=DISPLAY,WAYLAND_DISPLAY,XAUTHORITY,XDG_RUNTIME_DIR,DBUS_SESSION_BUS_ADDRESS"
            command = ["sudo", "-u", person, kept, "xdg-open", url]
            subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        else:
            webbrowser.open(url)


if __name__ == "__main__":
    main()
