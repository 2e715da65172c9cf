"""Whatever text a record holds, the page shows it as text: nothing of it becomes markup."""

from __future__ import annotations

from typing import Any

import pytest
import records
from markup import Page

from llmbench.output.html.page import render
from llmbench.record.comparison import Comparison
from llmbench.record.record import Budget, Record
from llmbench.text import clean

HOSTILE = (
    "<script>document.title='owned'</script>",
    "</script><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</title><img src=x onerror=alert(1)>",
    "<!--<script>alert(1)//-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "]]><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "' onfocus='alert(1)' autofocus='",
    "` onclick=alert(1) `",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x>",
    "<math><mtext></mtext><script>alert(1)</script></math>",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<object data=javascript:alert(1)>",
    "<embed src=javascript:alert(1)>",
    "<a href=javascript:alert(1)>x</a>",
    "<form action=https://example.org><button>x</button></form>",
    "<base href=https://example.org/>",
    "<link rel=stylesheet href=https://example.org/x.css>",
    "<meta http-equiv=refresh content='0;url=https://example.org'>",
    "<style>@import 'https://example.org/x.css'</style>",
    "<img src=https://example.org/x.png>",
    "<video><source onerror=alert(1)></video>",
    "<details open ontoggle=alert(1)>",
    "<input autofocus onfocus=alert(1)>",
    "<marquee onstart=alert(1)>",
    "<body onload=alert(1)>",
    "<template><script>alert(1)</script></template>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>",
    "<textarea></textarea><script>alert(1)</script>",
    "<plaintext>",
    "<xmp><script>alert(1)</script></xmp>",
    "{{ 7 * 7 }}",
    "{% for x in range(9) %}owned{% endfor %}",
    "${alert(1)}",
    "{{ ''.__class__.__mro__ }}",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "\\u003cscript\\u003ealert(1)\\u003c/script\\u003e",
    "\u2028alert(1)\u2029",
    "\x00\x08\x1b[31m<script>alert(1)</script>\x7f\x9f",
    "\u202e<script>alert(1)</script>\u202c",
    "\ufeff<script>alert(1)</script>\ufffe",
    "=HYPERLINK('https://example.org')",
    "datum.x; alert(1)",
    "url(https://example.org/x.png)",
    "[9] <b>x</b>",
    "x" * 3000,
)
ALLOWED = set(
    """
    html head meta title link style body a header main footer section aside article p h1 h2 h3 h4
    div span small strong em code wbr ul li dl dt dd form label input select option output details
    summary fieldset legend button table thead tbody tr th td abbr figure figcaption ins del pre
    script noscript svg desc g path text rect circle
    """.split()  # noqa: SIM905
)


def poisoned(text: str) -> Comparison:
    """A comparison with the text wherever a record and a header hold free text."""
    few = {"eval_examples": 2, "steps": 6}
    cell = records.cell("lora", members=(), metrics=(text,), task=text, settings=few)
    member = {
        "id": text,
        "options": {text: text, "list": [text, {text: text}]},
        "distribution": text,
        "group": "adaptation",
    }
    cell = type(cell).model_validate(
        cell.model_dump()
        | {
            "id": f"a.{text}",
            "composition": text,
            "members": [member],
            "model": {"id": text, "weights": "pretrained", "revision": text},
            "train_data": {"name": text, "examples": 3, "sha256": text},
            "eval_data": {"name": text, "examples": 3, "sha256": text},
            "declared": {text: text},
        }
    )
    held = records.environment(
        device_name=text,
        driver=text,
        system=text,
        cpu_name=text,
        python=text,
        versions={text: text, "llmbench": text},
    )
    good = records.ok(
        "lora",
        0.5,
        cell=cell,
        environment=held,
        warnings=(text,),
        optimizer=text,
        attention_kernels=(text,),
        started_at=text,
        corpus_scores={text: 0.5},
    )
    good = records.understood(good, text).model_copy(update={"effective": {text: text}})
    evil = [
        e.model_copy(update={"id": f"{i}{text}", "references": (text, "b"), "prediction": text})
        for i, e in enumerate(good.examples)
    ]
    good = good.model_copy(update={"examples": tuple(evil)})
    other = good.model_copy(update={"cell": cell.model_copy(update={"id": f"b.{text}", "seed": 1})})
    bad = Record(
        cell=cell.model_copy(update={"id": f"c.{text}"}),
        status="oom",
        phase="train",
        reason=text,
        traceback=text,
        predicted=records.parts(150),
        environment=held,
    )
    fits = records.ended(
        "lora",
        "skipped",
        text,
        cell=cell.model_copy(update={"id": f"d.{text}", "fit": Budget(bytes=2**34)}),
    )
    good, tried = learnt(good, text), learnt(records.tried("lora", 2e-4, 1.5), text)
    made = records.comparison(
        [good, other, bad, fits, tried],
        name=text,
        created_at=text,
        command=text,
        notices=(text,),
        environment=held,
        data_fields={text: text},
        origins={text: text, "model": text},
        configuration={text: text, "model": text, "settings": {text: text}},
    )
    inputs: dict[str, Any] = dict.fromkeys(made.inputs, text)
    return Comparison(made.header, made.records, inputs, (text,))


def learnt(record: Record, text: str) -> Record:
    """The record with validations on data of that name; a tuning cell's is the method's name."""
    done = record if record.cell.tuning else records.validated(record, 3.0, 2.0)
    data = records.HELD_OUT.model_copy(update={"name": text})
    named = {"composition": text, "arithmetic": text, "validation_data": data}
    return done.model_copy(update={"cell": done.cell.model_copy(update=named)})


def check(html: str, text: str) -> None:
    page = Page(html)
    assert {tag for tag, _ in page.elements} <= ALLOWED
    assert len(page.all("script")) == 2
    assert len(page.all("style")) == 1
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        for name in ("href", "src"):
            link = attributes.get(name) or "#"
            assert link == "data:," or link.startswith("#")
    shown = " ".join(clean(text).split())[:200].rstrip()
    assert shown in page.text.replace("+ ", "+")


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_stays_text(text: str) -> None:
    check(render(poisoned(text)), text)


def test_hostile_text_stays_text_in_drawings() -> None:
    few = {"eval_examples": 2, "steps": 6}
    cells = [records.cell(t, id=f"{n}", members=(), settings=few) for n, t in enumerate(HOSTILE)]
    made = [records.ok("x", 0.4 + n / 200, 10 + n, cell=c) for n, c in enumerate(cells)]
    made = [learnt(r, t) for r, t in zip(made, HOSTILE, strict=True)]
    tries = [learnt(records.tried(f"{n}", 2e-4, 1.5), t) for n, t in enumerate(HOSTILE)]
    page = Page(render(records.comparison([*made, *tries])))
    assert {"chart-learning", "chart-rates"} <= {a.get("id") for a in page.all("figure")}
    assert page.all("svg")
    assert {tag for tag, _ in page.elements} <= ALLOWED
    assert len(page.all("script")) == 2
