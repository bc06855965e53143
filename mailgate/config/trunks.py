"""The `[[trunk]]` tables: ways to the telephone network that `mailgate deploy asterisk` writes."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from mailgate.calls.trunks import Line, Transport, Trunk
from mailgate.config.kinds import OptionalPath, Section
from mailgate.errors import ConfigError


class TrunkTable(Section):
    """One of them; what may stand in it is said by mailgate.calls.trunks."""

    name: str
    host: str
    prefixes: tuple[str, ...] = ()
    username: str = ""
    password_file: OptionalPath = None
    registers: bool = Field(default=False, alias="register")
    transport: Transport = Transport.UDP
    srtp: bool = False
    nat: bool = False
    keep_alive_s: int = 15
    capacity: int = 0
    caller: str = ""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if bool(self.username) != (self.password_file is not None):
            raise ValueError("username and password_file go together")
        try:
            assert self.line and self.trunk("-")
        except ConfigError as error:
            raise ValueError(str(error)) from error
        return self

    @property
    def line(self) -> Line:
        return Line(name=self.name, prefixes=self.prefixes, capacity=self.capacity)

    def trunk(self, password: str) -> Trunk:
        """With what stands in `password_file`; raises ConfigError."""
        return Trunk(
            name=self.name,
            host=self.host,
            username=self.username,
            password=password if self.username else "",
            register=self.registers,
            transport=self.transport,
            srtp=self.srtp,
            nat=self.nat,
            keep_alive_s=self.keep_alive_s,
            caller=self.caller,
        )
