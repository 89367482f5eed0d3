"""The verbs of the command line, a file each: `longtake VERB --help`. Importing them loads nothing heavy."""

from pipeline.verb import Verb
from pipeline.verbs import (
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

VERBS: dict[str, Verb] = {
    each.VERB.name: each.VERB
    for each in (plan, new, resume, status, mux, inspect, verify, report, retake, doctor, accept)
}
"""In the order of the first screen."""
