"""Secrets that nobody told this process of, told by what they look like; and what only looks so."""

from __future__ import annotations

import pytest

from llmbench import redact

LONG = "A1b2C3d4E5f6G7h8I9j0K1l2M3"
pytestmark = pytest.mark.usefixtures("somebody")


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        # by how they start
        (f"hf_{LONG} out_hf_{LONG}", "[secret] out_[secret]"),
        (f"token%3Dhf_{LONG}", "token%3D[secret]"),
        (f"sk-{LONG}. sk-proj-{LONG}", "[secret]. [secret]"),
        ("sk_live_abcdEFGH1234", "[secret]"),
        (f"ghp_{LONG} github_pat_{LONG}", "[secret] [secret]"),
        ("AKIAIOSFODNN7EXAMPLE", "[secret]"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc", "[secret]"),
        ("-----BEGIN PRIVATE KEY-----\na\n-----END PRIVATE KEY-----\nb", "[secret]\nb"),
        # in addresses
        ("https://me:pass@hub.example/x", "https://[secret]@hub.example/x"),
        ("https://me@hub.example/x", "https://[secret]@hub.example/x"),
        ("https://me:p@SECRET@host/x", "https://[secret]@host/x"),
        ("https://me:p/SECRET@host/x", "https://[secret]@host/x"),
        ("https://h/x?a=1&token=abc&b=2", "https://h/x?a=1&token=[secret]&b=2"),
        ("?accessToken=abc&X-Amz-Signature=def", "?accessToken=[secret]&X-Amz-Signature=[secret]"),
        # in headers
        ("'Authorization': 'Bearer abc'", "'Authorization': 'Bearer [secret]'"),
        ("{b'Authorization': b'Basic dXNl'}", "{b'Authorization': b'Basic [secret]'}"),
        ("Authorization: Other abc123", "Authorization: Other [secret]"),
        ("sent bearer abcdefgh12", "sent bearer [secret]"),
        # in options
        ("compare --hub-token abc --steps 3", "compare --hub-token [secret] --steps 3"),
        ("--password 'two words' -x", "--password [secret] -x"),
        # behind their names
        ("password='hunter22x' password=letters", "password='[secret]' password=[secret]"),
        ("password: 12345678", "password: [secret]"),
        ('"client_secret": "only-letters"', '"client_secret": "[secret]"'),
        (r"{\"client_secret\": \"letters\"}", r"{\"client_secret\": \"[secret]\"}"),
        ("token = 'abcdefgh12'", "token = '[secret]'"),
        ("PGPASSWORD=letters MYSQL_PWD=letters", "PGPASSWORD=[secret] MYSQL_PWD=[secret]"),
    ],
)
def test_what_looks_like_a_secret_is_taken_out(text, clean):
    assert redact.text(text) == clean
    assert redact.text(clean) == clean


@pytest.mark.parametrize(
    "text",
    [
        # tokens of texts, and numbers
        "Loss per token: 2.3456789",
        "max_new_token=12345678, --max-new-token 128, ?max_tokens=100",
        "max_new_tokens=128, hf_quantizer, hf_device_map",
        "pad_token: <extra_id_99>, --pad-token <pad>",
        "eos_token='<|reserved_special_token_0|>'",
        "key=value, token: <|endoftext|>",
        "secret: 12345.678 ms",
        # programs and options
        "pad_token = tokenizer.eos_token",
        "token=model.layers.12.self_attn",
        "login(token=token, password=args.password)",
        "password = getpass.getpass()",
        "lora(target_token=attention1), lora(r=64)+4-bit",
        'File "/usr/lib/python3.11/site-packages/peft/tuners/lora/model.py", line 3',
        # addresses
        "https://huggingface.co/owner/model/resolve/main/config.json",
        "http://localhost:8080/packages/@scope/name",
        "git@github.com:llmbench, a@b.c",
        "?author=smith&tokenizer=gpt2&signal=12&keyword=abc",
        # prose
        "The authorization: needed for gated models",
        "give an api-key, token or password: it is needed",
        "sk-learn, sk-learn-contrib-something-long",
    ],
)
def test_what_is_harmless_stays(text):
    assert redact.text(text) == text
