"""Each event as a row of a table, in any database that SQLAlchemy speaks to."""

from collections.abc import Sequence
from datetime import UTC, datetime

from pipeline.sinks.address import FLAG
from pipeline.sinks.sink import Message
from storage.errors import BadOption

NAME = "longtake_events"
_COLUMNS = ("time", "machine", "pid", "run", "sequence", "event")


class SqlTable:
    """A transport that inserts events into the table `longtake_events`, made where it is not there; one transaction a batch."""

    batch = 64

    def __init__(self, url: str) -> None:
        import sqlalchemy as sql
        from sqlalchemy.exc import ArgumentError, NoSuchModuleError

        try:
            self._engine = sql.create_engine(url, pool_pre_ping=True, hide_parameters=True)
        except (ArgumentError, NoSuchModuleError, ValueError):
            reason = "its scheme is none of http, ws, redis, prometheus or a database that SQLAlchemy knows"
            raise BadOption(FLAG, url.partition("://")[0], reason) from None
        facts = sql.MetaData()
        self._table = sql.Table(
            NAME,
            facts,
            sql.Column("id", sql.Integer, primary_key=True),
            sql.Column("time", sql.DateTime(timezone=True), index=True),
            sql.Column("machine", sql.String(255)),
            sql.Column("pid", sql.Integer),
            sql.Column("run", sql.Text),
            sql.Column("sequence", sql.Integer),
            sql.Column("event", sql.String(64), index=True),
            sql.Column("facts", sql.JSON),
        )
        self._is_there = False

    def send(self, messages: Sequence[Message]) -> None:
        """Insert the messages, all or none."""
        if not self._is_there:
            self._table.metadata.create_all(self._engine)
            self._is_there = True
        with self._engine.begin() as connection:
            connection.execute(self._table.insert(), [_to_row(message) for message in messages])

    def close(self) -> None:
        """Close the connections to the database."""
        self._engine.dispose()


def _to_row(message: Message) -> dict[str, object]:
    row = {name: message.get(name) for name in _COLUMNS}
    row["time"] = datetime.fromtimestamp(float(str(message["time"])), UTC)
    return {**row, "facts": {name: message[name] for name in message if name not in _COLUMNS}}
