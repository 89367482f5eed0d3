"""The one error tree. It imports nothing, and every room may import it.

LongtakeError
├── BadInput            what was given cannot be used: nothing was written
│   ├── BadImage  BadSound  BadSize  BadOption
│   └── Refused         a published flag that cannot be honoured
├── RunError            the run folder
│   ├── NotARun  RunDamaged  RunTooNew  RunLocked  OtherSpec  OtherNumerics
│   ├── NotWritable  NoSpace
│   └── NotMade  Pruned  Damaged      one piece of it
└── WorkFailed          a clip failed after its last try
"""

from typing import ClassVar


class LongtakeError(Exception):
    """{}"""

    # The docstring of the class is its message, filled with the arguments: borg's way, so that a page can list them all.
    exit_code: ClassVar[int] = 1

    def __str__(self) -> str:
        """The docstring, filled in."""
        return (type(self).__doc__ or "{}").format(*self.args)
