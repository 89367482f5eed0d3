"""The verbs of the command line, a file each: `longtake VERB --help`. Importing them loads nothing heavy."""

from pipeline.commands import (
    accept,
    doctor,
    inspect,
    mux,
    new,
    plan,
    report,
    resume,
    retake,
    status,
    verify,
)
from pipeline.commands.command import Verb

VERBS: dict[str, Verb] = {
    each.VERB.name: each.VERB
    for each in (plan, new, resume, status, mux, inspect, verify, report, retake, doctor, accept)
}
"""In the order of the first screen."""
