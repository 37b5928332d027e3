"""How the reference page looks: by day and by night, on a phone and on a desk."""

from __future__ import annotations

from collections.abc import Mapping

LIGHT: Mapping[str, str] = {
    "paper": "#ffffff",
    "shade": "#f3f5f8",
    "ink": "#1b2430",
    "quiet": "#4f5b6b",
    "line": "#d5dbe3",
    "accent": "#0b57a4",
}
DARK: Mapping[str, str] = {
    "paper": "#12161c",
    "shade": "#1c222b",
    "ink": "#e6eaf0",
    "quiet": "#a7b1bf",
    "line": "#343d4a",
    "accent": "#8cc2ff",
}


def _variables(colours: Mapping[str, str]) -> str:
    return ";".join(f"--{name}:{value}" for name, value in colours.items())


STYLE = f"""
:root{{color-scheme:light dark;{_variables(LIGHT)}}}
@media (prefers-color-scheme:dark){{:root{{{_variables(DARK)}}}}}
*{{box-sizing:border-box}}
html{{scroll-padding-top:1rem}}
body{{margin:0;background:var(--paper);color:var(--ink);font:1rem/1.55 system-ui,sans-serif;overflow-wrap:anywhere}}
a{{color:var(--accent)}}
:focus-visible{{outline:3px solid var(--accent);outline-offset:2px}}
.skip{{position:absolute;left:-99rem}}
.skip:focus{{left:1rem;top:1rem;padding:.5rem;background:var(--paper)}}
header,nav,main{{padding:1rem 1.25rem}}
header{{border-bottom:1px solid var(--line)}}
h1,h2,h3,h4{{line-height:1.25;margin:1.6em 0 .5em}}
h1{{margin:.2em 0;font-size:1.7rem}}
h2{{font-size:1.35rem;border-bottom:1px solid var(--line);padding-bottom:.25em}}
h3{{font-size:1.08rem}}
h4{{font-size:1rem;color:var(--quiet)}}
nav h2{{font-size:1rem;border:0;margin:.9em 0 .2em}}
nav ul{{list-style:none;margin:0;padding:0}}
nav li a{{display:block;padding:.28rem 0;text-decoration:none}}
nav li a:hover{{text-decoration:underline}}
code,pre{{font:.875em/1.5 ui-monospace,monospace}}
code b{{color:var(--quiet)}}
h3 code{{font-size:1em}}
pre{{background:var(--shade);border:1px solid var(--line);border-radius:6px;padding:.75rem;margin:.5rem 0}}
pre{{overflow:auto}}
article{{border-bottom:1px solid var(--line);padding-bottom:1.25rem}}
.table{{overflow-x:auto}}
table{{border-collapse:collapse;width:100%}}
caption{{text-align:left;font-weight:600;color:var(--quiet);padding:.6rem 0 .25rem}}
th,td{{text-align:left;vertical-align:top;padding:.4rem .75rem .4rem 0;border-top:1px solid var(--line)}}
th{{font-weight:600}}
th,td{{overflow-wrap:break-word}}
td code{{overflow-wrap:normal}}
td p{{margin:0}}
summary{{cursor:pointer;color:var(--accent);padding:.35rem 0}}
.quiet{{color:var(--quiet)}}
@media (min-width:60rem){{
body{{display:grid;grid-template-columns:19rem minmax(0,1fr)}}
header{{grid-column:1/-1}}
nav{{border-right:1px solid var(--line);position:sticky;top:0;height:100vh;overflow-y:auto}}
main{{max-width:60rem;padding:1rem 2rem}}
}}
"""
