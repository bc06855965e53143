"""`mailgate deploy`: the other side's configuration, printed ready for use."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from jinja2 import Environment, PackageLoader, StrictUndefined

from mailgate import config as configuration
from mailgate.calls.deploy import render_asterisk
from mailgate.calls.settings import DeploySettings, SipUser
from mailgate.calls.trunks import Trunk
from mailgate.cli.common import console, find_config
from mailgate.errors import ConfigError
from mailgate.keyfiles import read_secret
from smtp_hooks.deploy import SUBMISSION_SERVICES, PostfixSettings, Way, render_postfix
from smtp_hooks.deploy_milter import MilterDeploySettings, render_milter

EPILOG = """\b
Examples:
  mailgate deploy postfix
  mailgate deploy asterisk --output /etc/asterisk
  mailgate deploy systemd > /etc/systemd/system/mailgate.service
"""


@click.group(epilog=EPILOG)
def deploy() -> None:
    """Print the configuration that Postfix, Asterisk or systemd needs."""


def _give(files: dict[str, str], output: Path | None) -> None:
    """Print the files, each under its name, or write them into a folder."""
    for name, text in files.items():
        if output is None:
            if len(files) > 1:
                click.echo(f"# ===== {name} =====")
            click.echo(text)
            continue
        path = output / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o640)
        console.print(f"wrote {path}")


output_option = click.option(
    "--output", type=click.Path(file_okay=False, path_type=Path), help="Write into this folder instead of printing."
)


def _user(text: str) -> SipUser:
    name, colon, password = text.partition(":")
    if not colon:
        raise click.BadParameter(f"{name!r} has no password; write NAME:PASSWORD")
    return SipUser(name=name, password=password)


@deploy.command()
@output_option
@click.option(
    "--provider",
    help="Host (and port) of the one telephone provider, where the configuration has no [[trunk]]; without either you "
    "write the trunk yourself.",
)
@click.option("--provider-user", default="", help="User name at the provider; empty: known by address.")
@click.option("--provider-password-file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--register", is_flag=True, help="Register with the provider.")
@click.option("--user", "users", multiple=True, help="A SIP telephone that registers here, as NAME:PASSWORD.")
@click.pass_context
def asterisk(
    context: click.Context,
    output: Path | None,
    provider: str | None,
    provider_user: str,
    provider_password_file: Path | None,
    register: bool,
    users: tuple[str, ...],
) -> None:
    """Print Asterisk's side: dialplan, manager user, modules and PJSIP endpoints.

    \b
    Example:
      mailgate deploy asterisk --provider sip.example.net --user ada:a-long-password --output /etc/asterisk
    """
    from mailgate.configured import asterisk_settings  # every edge comes with it, which --help should not wait for

    config = configuration.load(find_config(context))
    if provider and config.trunk:
        raise click.UsageError("the configuration has [[trunk]] tables: leave --provider out")
    trunks = tuple(each.trunk(read_secret(each.password_file) if each.password_file else "") for each in config.trunk)
    if provider:
        password = read_secret(provider_password_file) if provider_password_file else ""
        trunks = (
            Trunk(
                name=config.asterisk.trunk, host=provider, username=provider_user, password=password, register=register
            ),
        )
    tls = config.asterisk
    settings = DeploySettings(
        link=asterisk_settings(config),
        trunks=trunks,
        users=tuple(map(_user, users)),
        tcp_bind=tls.tcp_bind,
        tls_bind=tls.tls_bind,
        tls_ca_file=str(tls.tls_ca_file),
        tls_cert_file=str(tls.tls_cert_file or ""),
        tls_key_file=str(tls.tls_key_file or ""),
        media_address=config.asterisk.media_address,
        dial_in=config.call.dial_in,
        pin_digits=config.call.pin_digits,
        word_every_s=config.failed_calls.word_every_s,
    )
    _give(render_asterisk(settings), output)


@deploy.command()
@output_option
@click.option(
    "--service",
    "services",
    multiple=True,
    default=SUBMISSION_SERVICES,
    show_default=True,
    help="A service of master.cf that takes your own users' mail; those that are not there are passed over.",
)
@click.option(
    "--way",
    type=click.Choice([way.value for way in Way]),
    default=Way.AFTER_QUEUE.value,
    show_default=True,
    help="Behind the queue, before it (smtpd_proxy_filter), or as the way out (relayhost). See docs/attach.md.",
)
@click.option("--milter", is_flag=True, help="Postfix asks the milter, instead of handing messages over and back.")
@click.pass_context
def postfix(context: click.Context, output: Path | None, services: tuple[str, ...], way: str, milter: bool) -> None:
    """Print Postfix's side: how it hands outgoing mail over, and takes it back.

    \b
    Examples:
      mailgate deploy postfix
      mailgate deploy postfix --way before-queue
      mailgate deploy postfix --output /root && sh /root/filter.sh
      mailgate deploy postfix --milter | sh
    """
    config = configuration.load(find_config(context))
    try:
        if milter:
            _give(render_milter(MilterDeploySettings(listen=config.milter.listen, services=services)), output)
            return
        settings = PostfixSettings(listen=config.smtp.listen, re_entry=config.smtp.next_hop[0], services=services)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    if way == Way.BEFORE_QUEUE and config.smtp.several_recipients == "split":
        click.echo('before the queue set several_recipients = "skip" in [smtp]: one reply stands for all', err=True)
    _give(render_postfix(settings, Way(way)), output)


@deploy.command()
@click.option("--user", default="mailgate", show_default=True, help="The system user that the gateway runs as.")
@output_option
@click.pass_context
def systemd(context: click.Context, user: str, output: Path | None) -> None:
    """Print a unit for systemd, with the gateway locked in.

    \b
    Example:
      mailgate deploy systemd > /etc/systemd/system/mailgate.service
    """
    path = find_config(context).resolve()
    configuration.load(path)
    started_as = Path(sys.argv[0]).resolve()
    program = f"{sys.executable} -m mailgate" if started_as.name == "__main__.py" else str(started_as)
    environment = Environment(
        loader=PackageLoader("templates", "deploy"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )  # not HTML: nothing to escape
    text = environment.get_template("systemd/mailgate.service").render(
        program=program, config=path, folder=path.parent, user=user
    )
    _give({"mailgate.service": text}, output)
