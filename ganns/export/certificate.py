"""A certificate of a person's credit: a page (HTML) or a sheet (PDF), with the digest of the lines that it is about.

The HTML is a function of the certificate and the ledger, so `ganns credit verify` makes it again and compares all of
it: a number that was changed in the file is found. A PDF's bytes depend on the version of matplotlib; there, only the
digest is compared, and the numbers are printed beside it.
"""

from __future__ import annotations

import re
import warnings
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganns.errors import ExportError
from ganns.store.credit import Certificate, Person, Selection, time_text
from ganns.utils.atomic import replacing
from ganns.utils.console import plural
from ganns.utils.printable import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DIGEST = re.compile(r"ganns-credit:([0-9a-f]{64})")
"""The form of the digest in both kinds of file."""
MAX_RUNS = 12
"""The most runs that are listed; the totals are of all."""
PROVES = (
    "The digest is the SHA-256 of this person's lines in the class's ledger. Anyone who has the database can compute "
    "it again: ganns credit verify FILE. It is no signature, and cannot show a change of the database from before it "
    "was issued."
)
NAME_ONLY = "Known by a worker's name only: without logins of their own, anyone in the class can take any name."


def write_certificate(certificate: Certificate, person: Person, path: Path) -> None:
    """Write a certificate; the format follows from the name, .html or .pdf.

    Raises:
        ExportError: if the name has another ending.
    """
    require_ending(path)
    with replacing(path) as part:
        if path.suffix.lower() == ".html":
            part.write_text(render_html(certificate, person), encoding="utf-8", newline="\n")
        else:
            metadata = {
                "Title": f"Certificate for {printable(certificate.person, 100)}",
                "Keywords": f"ganns-credit:{certificate.digest}",
                "CreationDate": None,
            }
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a letter that the font has not: the page (HTML) shows it
                _draw(certificate, person).savefig(part, format="pdf", metadata=metadata)


def require_ending(path: Path) -> None:
    """Check the name of a certificate's file.

    Raises:
        ExportError: if it is neither .html nor .pdf.
    """
    if path.suffix.lower() not in (".html", ".pdf"):
        raise ExportError(f"A certificate is a page or a sheet: call it {path.stem}.html or {path.stem}.pdf.")


def read_digest(path: Path) -> str:
    """Return the digest that a certificate's file names.

    Raises:
        ExportError: if there is none in it.
    """
    found = DIGEST.search(path.read_bytes().decode("latin-1"))
    if found is None:
        raise ExportError(f"{path} is no certificate of ours: it has no line `ganns-credit:` with a digest.")
    return found[1]


def is_page_of(path: Path, certificate: Certificate, person: Person) -> bool | None:
    """Tell whether a file is the certificate's page, letter by letter; None if it is no page."""
    if path.suffix.lower() != ".html":
        return None
    return path.read_text(encoding="utf-8", errors="replace") == render_html(certificate, person)


def facts(certificate: Certificate, person: Person) -> list[tuple[str, str]]:
    """Return the numbers of a certificate, each with its name."""
    return [
        ("images", f"{person.total('images'):,}"),
        ("units in time", f"{person.total('units'):,}"),
        ("units of extra effort", f"{person.total('late'):,}"),
        ("computed for", hours(person.total("compute_s"))),
        ("workers", f"{len(person.workers):,}"),
        ("runs", f"{len(person.runs):,}"),
    ]


def hours(seconds: float) -> str:
    """Return a time as "2 h 05 min", "12 min" or "40 s"."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"


def window(selection: Selection) -> str:
    """Return the selection in words."""
    runs = "all runs" if selection.runs is None else f"run {', '.join(map(str, selection.runs))}"
    since = "" if selection.since is None else f", from {_minute(time_text(selection.since))}"
    until = "" if selection.until is None else f", until {_minute(time_text(selection.until))}"
    return f"{runs}{since}{until}"


def _minute(text: str) -> str:
    return text[:16].replace("T", " ") + " UTC"


def _rows(person: Person) -> list[tuple[str, ...]]:
    listed = sorted(person.runs, key=lambda one: (-one["images"], one["run"]))[:MAX_RUNS]
    return [
        (
            f"Run {one['run']}",
            printable(one["run_name"], 40),
            f"{one['images']:,}",
            f"{one['units']:,}",
            f"{one['late']:,}",
            hours(one["compute_s"]),
            _minute(time_text(one["last_at"]))[:10],
        )
        for one in listed
    ]


_HEADS = ("run", "name", "images", "units", "extra", "computed for", "last unit")
_STYLE = """
@page { size: A4 landscape; margin: 12mm; }
body { margin: 0; background: #eef1f4; color: #1b2733; font: 16px/1.45 system-ui, "Segoe UI", sans-serif; }
main { max-width: 960px; margin: 24px auto; padding: 44px 56px; background: #fff; border: 2px solid #0072b2;
  outline: 1px solid #0072b2; outline-offset: -10px; }
p.kind { margin: 0; letter-spacing: .16em; text-transform: uppercase; color: #0072b2; font-size: 14px; }
h1 { margin: 6px 0 4px; font-size: 44px; line-height: 1.15; overflow-wrap: anywhere; }
p.did { margin: 0 0 22px; font-size: 18px; max-width: 60ch; }
dl { display: grid; grid-template-columns: repeat(3, 1fr); gap: 14px 24px; margin: 0 0 22px; }
dl div { border-left: 4px solid #0072b2; padding-left: 12px; }
dd { margin: 0; font-size: 26px; font-weight: 650; font-variant-numeric: tabular-nums; }
dt { color: #51606e; }
table { border-collapse: collapse; width: 100%; margin: 0 0 22px; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 5px 10px; border-bottom: 1px solid #d5dce2; }
th { color: #51606e; font-weight: 600; }
th:nth-child(-n+2), td:nth-child(-n+2) { text-align: left; overflow-wrap: anywhere; }
footer { color: #51606e; font-size: 13px; }
code { font-size: 13px; overflow-wrap: anywhere; color: #1b2733; }
@media print { body { background: #fff; } main { margin: 0 auto; } }
@media (max-width: 640px) { main { margin: 0; padding: 24px 20px; } dl { grid-template-columns: 1fr 1fr; }
  h1 { font-size: 32px; } table { display: block; overflow-x: auto; } }
"""


def render_html(certificate: Certificate, person: Person) -> str:
    """Return the certificate as one page without scripts; what others typed is shown as text."""
    name, about = _text(certificate.person), escape(window(certificate.selection))
    known = "" if certificate.login is not None else f"<p>{escape(NAME_ONLY)}</p>\n"
    figures = "\n".join(
        f"<div><dd>{escape(value)}</dd><dt>{escape(label)}</dt></div>" for label, value in facts(certificate, person)
    )
    heads = "".join(f'<th scope="col">{head}</th>' for head in _HEADS)
    rows = "\n".join(f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>" for row in _rows(person))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Certificate for {name}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{_STYLE}</style></head>
<body><main>
<p class="kind">GANNs with friends · certificate of credit</p>
<h1>{name}</h1>
<p class="did">computed gradients for a generative adversarial network that a class trained together ({about}).</p>
<dl>
{figures}
</dl>
<table><thead><tr>{heads}</tr></thead><tbody>
{rows}
</tbody></table>
<footer>
{known}<p>{plural(certificate.num_lines, "line")} of the ledger, issued at {_minute(time_text(certificate.issued_at))}.
Times are the server's; only accepted units count as images. {escape(PROVES)}</p>
<p><code>ganns-credit:{certificate.digest}</code></p>
</footer>
</main></body></html>
"""


def _text(text: str) -> str:
    return escape(printable(text, 120))


def _draw(certificate: Certificate, person: Person) -> Figure:
    """Return the certificate as a sheet of A4."""
    from matplotlib.figure import Figure

    blue, ink, soft = "#0072b2", "#1b2733", "#51606e"
    figure = Figure(figsize=(11.69, 8.27))

    def write(x: float, y: float, text: str, size: float, color: str = ink, **more: Any) -> None:
        figure.text(x, y, text, fontsize=size, color=color, parse_math=False, va="top", **more)

    frame = figure.add_axes((0.03, 0.04, 0.94, 0.92), xticks=[], yticks=[])
    for side in frame.spines.values():
        side.set(edgecolor=blue, linewidth=2)
    write(0.08, 0.90, "GANNs WITH FRIENDS · CERTIFICATE OF CREDIT", 11, blue)
    name = printable(certificate.person, 60)
    write(0.08, 0.86, name, 34 if len(name) <= 24 else 20, weight="bold")
    write(0.08, 0.765, "computed gradients for a generative adversarial network that a class trained together", 13)
    write(0.08, 0.735, f"({window(certificate.selection)}).", 13)
    for number, (label, value) in enumerate(facts(certificate, person)):
        x, y = 0.08 + 0.29 * (number % 3), 0.67 - 0.09 * (number // 3)
        write(x, y, value, 20, weight="bold")
        write(x, y - 0.045, label, 11, soft)
    columns, y = (0.08, 0.17, 0.52, 0.61, 0.68, 0.80, 0.92), 0.46
    for row in (_HEADS, *_rows(person)[:8]):
        for number, (x, cell) in enumerate(zip(columns, row, strict=True)):
            write(x, y, cell, 11, soft if row is _HEADS else ink, ha="left" if number < 2 else "right")
        y -= 0.03
    issued = _minute(time_text(certificate.issued_at))
    lines = [
        f"{plural(certificate.num_lines, 'line')} of the ledger, issued at {issued}. Times are the server's.",
        *([] if certificate.login is not None else [NAME_ONLY]),
        *_wrapped(PROVES, 130),
    ]
    write(0.08, 0.175, "\n".join(lines), 8.5, soft, linespacing=1.5)
    write(0.08, 0.075, f"ganns-credit:{certificate.digest}", 9, family="monospace")
    return figure


def _wrapped(text: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, width)
