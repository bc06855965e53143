"""`mailgate init`: a folder with configuration, keys and an empty store."""

from __future__ import annotations

import secrets
from pathlib import Path

import click
import phonenumbers
from jinja2 import Environment, PackageLoader, StrictUndefined

from mailgate import config as configuration
from mailgate import push_key
from mailgate.cli.common import console, parse_number
from mailgate.errors import ConfigError
from mailgate.keyfiles import new_ring, write_secret
from mailgate.languages import LANGUAGES
from mailgate.store.database import create
from smtp_hooks import dkim_keys

EPILOG = """\b
Example:
  mailgate init /etc/mailgate --domain example.org --number +33199000000 --url https://call.example.org
"""


@click.command(epilog=EPILOG)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--domain", prompt="Domain that your senders write from", help="The senders' domain, for DKIM.")
@click.option("--number", prompt="Number that both parties shall see (+…)", help="The gateway's own number.")
@click.option("--url", prompt="Address of the accept pages (https://…)", help="Where recipients' browsers come to.")
@click.option("--name", help="The organisation's name on the pages; otherwise the domain.")
@click.option("--region", help="Country of numbers without a country code; otherwise that of --number.")
@click.option("--language", default="en", show_default=True, type=click.Choice(LANGUAGES))
@click.option("--selector", default="mailgate", show_default=True, help="DKIM selector.")
@click.option("--listen", default="127.0.0.1:10025", show_default=True, help="Where the MTA hands mail over.")
@click.option("--next-hop", default="127.0.0.1:10026", show_default=True, help="Where mail goes afterwards.")
@click.option("--web-listen", default="127.0.0.1:8480", show_default=True, help="Where the pages are served.")
@click.option("--ami", default="127.0.0.1:5038", show_default=True, help="Asterisk's manager interface.")
@click.option("--trunk", default="trunk", show_default=True, help="PJSIP endpoint of the telephone network.")
def init(
    folder: Path,
    domain: str,
    number: str,
    url: str,
    name: str | None,
    region: str | None,
    language: str,
    selector: str,
    listen: str,
    next_hop: str,
    web_listen: str,
    ami: str,
    trunk: str,
) -> None:
    """Write a commented configuration, fresh keys and an empty store into FOLDER.

    Nothing that is there already is overwritten.
    """
    path = folder / "mailgate.toml"
    if path.exists():
        raise ConfigError(f"{path}: is there already, and is left as it is")
    own = parse_number(number, region or "ZZ").address
    home = region or phonenumbers.region_code_for_number(phonenumbers.parse(own, None))
    if not home:
        raise click.UsageError(f"the country of {number} is not known: name it with --region")
    key_file = f"keys/dkim.{domain}.pem"
    text = (
        Environment(loader=PackageLoader("templates", "deploy"), undefined=StrictUndefined, keep_trailing_newline=True)
        .get_template("mailgate.toml")
        .render(
            path=path,
            name=name or domain,
            public_url=url,
            number=own,
            region=home,
            language=language,
            listen=listen,
            next_hop=next_hop,
            web_listen=web_listen,
            ami=ami,
            trunk=trunk,
            notices_from=f"calls@{domain}",
            dkim_keys=[{"domain": domain, "selector": selector, "key_file": key_file}],
        )
    )
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)  # Asterisk passes through it to the sounds
    path.write_text(text, encoding="utf-8")
    try:
        config = configuration.load(path)
    except ConfigError:
        path.unlink()  # what was given does not fit: nothing stays behind, and the next try starts clean
        raise
    pem = dkim_keys.generate().decode("ascii")
    write_secret(config.keys.token_file, new_ring("t1"))
    write_secret(config.keys.number_file, new_ring("n1"))
    write_secret(config.asterisk.secret_file, secrets.token_hex(16) + "\n")
    write_secret(folder / key_file, pem)
    write_secret(config.listening.push_key_file, push_key.generate())
    config.asterisk.sounds.mkdir(mode=0o755, exist_ok=True)
    create(config.store.path)
    console.print(f"Wrote [bold]{path}[/], keys and an empty store.\n")
    console.print("Publish this record in the DNS before mail goes through the gateway:\n")
    click.echo(dkim_keys.zone_line(domain, selector, pem.encode("ascii")) + "\n")
    console.print("Then:")
    for step in (
        f'mailgate -c {path} account add you@{domain} --name "Your Name" --number "your number"',
        f"mailgate -c {path} deploy asterisk",
        f"mailgate -c {path} deploy postfix",
        f"mailgate -c {path} serve",
    ):
        click.echo(f"  {step}")
