"""The API asked at random as its own description says, in this process: python -m tests.pipeline.web.fuzz FOLDER [EXAMPLES].

FOLDER is one of films. EXAMPLES (118: some 2000 requests) is how often each operation is asked. Code 1 where an answer is a fault of the server, or refuses
and does not say why, or where a request changed what lies beside the films.
"""

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from pipeline.web.server import make_app
from pipeline.web.settings import WebSettings

HOST = {"Host": "127.0.0.1"}
"""The server is asked by no other name."""


def ask_operation(operation: Any, examples: int, answers: Counter[str]) -> list[str]:
    """Ask an operation so many times, count the answers; what is wrong with them."""
    wrong: list[str] = []

    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        answer = case.call(headers=HOST, timeout=300)
        answers[f"{operation.label} {answer.status_code}"] += 1
        silent = answer.status_code >= 400 and b"message" not in answer.content
        if answer.status_code >= 500 or silent:
            wrong.append(f"{answer.status_code} {case.as_curl_command()}")

    ask()
    return wrong


def main() -> int:
    """Ask all; how often each answer came, and what was wrong."""
    folder, examples = Path(sys.argv[1]), int([*sys.argv, "118"][2])
    beside = set(folder.absolute().parent.iterdir())
    app = make_app(WebSettings(folder, creates_a_minute=1_000_000), page=False)
    schema = schemathesis.openapi.from_asgi("/openapi.json", app, headers=HOST)
    answers: Counter[str] = Counter()
    wrong: list[str] = []
    for each in schema.get_all_operations():
        wrong += ask_operation(each.ok(), examples, answers)
    for what, count in sorted(answers.items()):
        print(f"{count:6} {what}")
    print(f"{sum(answers.values())} requests, {len(wrong)} wrong", *wrong[:10], sep="\n")
    return int(bool(wrong) or set(folder.absolute().parent.iterdir()) != beside)


if __name__ == "__main__":
    sys.exit(main())
