"""A corpus of script injections, and comparisons that hold it wherever they hold text.

Each string that runs sets `canary` on the window, opens a dialog, or changes the title.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import records

from llmbench.record.comparison import Comparison, Plan, Planned
from llmbench.record.record import Budget, Cell, Record

RUN = "alert(canary=1)"
STRINGS = tuple(
    text.replace("RUN", RUN)
    for text in (
        "<script>document.title='owned';RUN</script>",
        "</script><script>RUN</script>",
        "</style><script>RUN</script>",
        "</title><img src=x onerror=RUN>",
        "<!--<script>RUN//-->",
        "--><script>RUN</script>",
        "<![CDATA[<script>RUN</script>]]>",
        "]]><script>RUN</script>",
        '"><img src=x onerror=RUN>',
        "'><img src=x onerror=RUN>",
        '" onmouseover="RUN',
        '" onfocus="RUN" autofocus tabindex="1',
        "' onfocus='RUN' autofocus='",
        "` onclick=RUN autofocus onfocus=RUN `",
        " onload=RUN ",
        "javascript:RUN",
        "JaVaScRiPt:RUN//",
        "\tjava\nscript:RUN",
        "data:text/html,<script>parent.canary=1</script>",
        "<svg onload=RUN>",
        "</svg><svg/onload=RUN>",
        "<svg><script>RUN</script></svg>",
        "<svg><animate onbegin=RUN attributeName=x dur=1s>",
        "<svg><a xlink:href='javascript:RUN'><text y=20>x</text></a></svg>",
        "<svg><foreignObject><iframe srcdoc='<script>parent.canary=1</script>'>",
        "</text></svg><script>RUN</script>",
        "</title></svg><img src=x onerror=RUN>",
        "<math><mtext></mtext><script>RUN</script></math>",
        "<math><mi xlink:href='data:x,<script>RUN</script>'>",
        "<iframe srcdoc='<script>parent.canary=1</script>'></iframe>",
        "<iframe src='javascript:parent.canary=1'></iframe>",
        "<object data='javascript:RUN'></object>",
        "<embed src='javascript:RUN'>",
        "<a href='javascript:RUN' autofocus onfocus=RUN>x</a>",
        "<form action='javascript:RUN'><button autofocus onfocus=RUN>x</button></form>",
        "<base href='https://example.org/'>",
        "<link rel=stylesheet href='https://example.org/x.css'>",
        "<meta http-equiv=refresh content='0;url=javascript:RUN'>",
        "<meta http-equiv=Content-Security-Policy content=\"script-src 'none'\">",
        "<style>@import 'https://example.org/x.css'; * { display: none }</style>",
        "<img src='https://example.org/x.png'>",
        "<img/src=x/onerror=RUN>",
        "<video><source onerror=RUN></video>",
        "<audio src=x onerror=RUN>",
        "<details open ontoggle=RUN>",
        "<input autofocus onfocus=RUN>",
        "<select autofocus onfocus=RUN></select>",
        "<marquee onstart=RUN>",
        "<body onload=RUN>",
        "<template><script>RUN</script></template>",
        "<noscript><p title='</noscript><img src=x onerror=RUN>'></noscript>",
        "</noscript><script>RUN</script>",
        "<textarea></textarea><script>RUN</script>",
        "<plaintext>",
        "<xmp><script>RUN</script></xmp>",
        "</code><script>RUN</script><code>",
        "</pre></td></table><script>RUN</script>",
        "`</code>`<img src=x onerror=RUN>`",
        "{{ 7 * 7 }}{{ ''.__class__.__mro__ }}",
        "{% for x in range(9) %}<script>RUN</script>{% endfor %}",
        "${RUN}",
        "`+RUN+`",
        "';RUN;//",
        '";RUN;//',
        "\\';RUN;//",
        '\\");RUN;//',
        '"}]};RUN;({"x":[{"y":"',
        "&lt;script&gt;RUN&lt;/script&gt;",
        "&#60;script&#62;RUN&#60;/script&#62;",
        "\\u003cscript\\u003eRUN\\u003c/script\\u003e",
        "\\x3cscript\\x3eRUN\\x3c/script\\x3e",
        "\u2028RUN\u2029",
        "\x00\x08\x1b[31m<script>RUN</script>\x7f\x9f",
        "<scr\x00ipt>RUN</scr\x00ipt>",
        "<\u017fcript>RUN</\u017fcript>",
        "\uff1cscript\uff1eRUN\uff1c/script\uff1e",
        "+ADw-script+AD4-RUN+ADw-/script+AD4-",
        "\u202e<script>RUN</script>\u202c",
        "\ufeff<script>RUN</script>\ufffe",
        "\ud83d<script>RUN</script>".encode("utf-8", "replace").decode(),
        "__proto__",
        "constructor",
        '#cell-1"]:has(*){}</style><script>RUN</script>',
        '=HYPERLINK("javascript:RUN")',
        "@SUM(1+1)*cmd|' /C calc'!A0",
        "datum.x; RUN",
        "url(javascript:RUN)",
        "expression(RUN)",
    )
)
FORMULAS = ("=1+1", "\uff1d1+1", "\u200b =1+1", "\ufeff@x")
"""What a spreadsheet might run, in a table that was downloaded."""
LONG = ("x" * 3000, "\u0628" * 300, "w+" * 400, "a b " * 500)
"""Not scripts: what could break the layout."""


def comparison(texts: Sequence[str]) -> Comparison:
    """Cells for each text, a good one and a failed one, and the header with all of them."""
    held = records.environment(
        device_name=_all(texts),
        driver=_all(texts),
        system=_all(texts),
        cpu_name=_all(texts),
        python=_all(texts),
        versions={"llmbench": texts[0]} | dict(zip(texts, texts, strict=True)),
    )
    cells = [_cell(number, text, texts) for number, text in enumerate(texts)]
    good = [
        records.ok(
            "lora",
            0.4 + number / 100,
            5.0 + number,
            cell=cell,
            environment=held,
            warnings=(text,),
            optimizer=text,
            attention_kernels=(text,),
            started_at=text,
            corpus_scores={text: 0.5},
        )
        for number, (cell, text) in enumerate(zip(cells, texts, strict=True))
    ]
    good = [_said(_seen(r, text), text, texts) for r, text in zip(good, texts, strict=True)]
    good = [_learnt(records.validated(r, 3.0, 2.0), t) for r, t in zip(good, texts, strict=True)]
    tries = [_learnt(records.tried(f"{n}", 2e-4, 1.5), t) for n, t in enumerate(texts)]
    bad = [
        Record(
            cell=cell.model_copy(update={"id": f"bad {cell.id}", "task": f"{cell.task} again"}),
            status="oom",
            phase="train",
            reason=text,
            traceback=f"{text}\n{text}",
            predicted=records.parts(150),
            environment=held,
        )
        for cell, text in zip(cells, texts, strict=True)
    ]
    fits = [_fits(cell, text) for cell, text in zip(cells, texts, strict=True)]
    every = [*good, *bad, *fits, *tries]
    made = records.comparison(
        every,
        name=_all(texts),
        created_at=_all(texts),
        command=_all(texts),
        notices=tuple(texts),
        environment=held,
        plan=Plan(cells=tuple(Planned(cell=r.cell, skip=r.reason) for r in every)),
        data_fields=dict(zip(texts, texts, strict=True)),
        origins=dict(zip(texts, texts, strict=True)) | {"model": _all(texts)},
        configuration={
            "model": _all(texts),
            "strategies": list(texts),
            "settings": dict(zip(texts, texts, strict=True)),
        },
    )
    inputs = dict.fromkeys(made.inputs, _all(texts))
    return Comparison(made.header, made.records, inputs, tuple(texts))


def _all(texts: Sequence[str]) -> str:
    return " ".join(texts)


def _cell(number: int, text: str, texts: Sequence[str]) -> Cell:
    """A cell named with the text, on a model and data that all cells share."""
    values: dict[str, Any] = {
        "id": f"{number}.{text}",
        "composition": text,
        "task": _all(texts),
        "metrics": [text],
        "members": [
            {
                "id": text.partition("(")[0],
                "options": {text: text, "list": [text, {text: text}]},
                "distribution": text,
                "group": "adaptation",
            }
        ],
        "model": {"id": _all(texts), "weights": "pretrained", "revision": texts[0]},
        "train_data": {"name": _all(texts), "examples": 3, "sha256": texts[0]},
        "eval_data": {"name": _all(texts), "examples": 3, "sha256": texts[-1]},
        "declared": {text: text},
    }
    return Cell.model_validate(records.cell("lora", members=()).model_dump() | values)


def _fits(cell: Cell, text: str) -> Record:
    """A cell of a memory budget, in which nothing fits."""
    changes = {"id": f"fits {cell.id}", "fit": Budget(bytes=2**34)}
    return records.ended(
        "lora", "skipped", text, cell=cell.model_copy(update=changes), warnings=(text,)
    )


def _learnt(record: Record, text: str) -> Record:
    """The record with validation data of that name, and the text as its arithmetic."""
    data = records.HELD_OUT.model_copy(update={"name": text})
    changes = {"validation_data": data, "composition": text, "arithmetic": text}
    return record.model_copy(update={"cell": record.cell.model_copy(update=changes)})


def _seen(record: Record, text: str) -> Record:
    """The record with the text as what was in force, and as what held the GPU down."""
    made = records.understood(record, text)
    return made.model_copy(update={"effective": {"attention": text, text: text}})


def _said(record: Record, text: str, texts: Sequence[str]) -> Record:
    """The record with the text as each prediction, and one of the texts as each reference."""
    examples = tuple(
        e.model_copy(
            update={
                "id": f"{n} {texts[n % len(texts)]}",
                "references": (texts[n % len(texts)], *texts),
                "prediction": f"{text} {texts[n % len(texts)]}",
            }
        )
        for n, e in enumerate(record.examples)
    )
    return record.model_copy(update={"examples": examples})
