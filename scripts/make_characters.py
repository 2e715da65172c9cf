"""Write shape and tokenizer of `llmbench-characters`: `python scripts/make_characters.py`."""

from pathlib import Path

from llmbench_models.letters import write
from make_tasks import play

FOLDER = Path(__file__).parents[1] / "plugins" / "llmbench_models" / "characters"
TEXTS = (play("train"), play("eval"))


def main() -> None:
    """Write the files."""
    write(FOLDER, TEXTS)
    print(FOLDER)


if __name__ == "__main__":
    main()
