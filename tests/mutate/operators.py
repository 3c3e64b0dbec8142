# SPDX-License-Identifier: MIT
"""
Makes mutants of C and C++ source: one small edit each, of the kind that a tired maintainer makes.

It splits the source into tokens and statements and knows no types: the compiler refuses what is no
program, and what gives the same machine code is the same program (see the script, mutate).
"""
import bisect
import dataclasses
import re

TOKEN = re.compile(r'''
    (?P<space>\s+|//[^\n]*|/\*.*?\*/|\\\n)
  | (?P<hash>(?<![^\n])[ \t]*\#(?:[^\n\\]|\\\n|\\.)*)
  | (?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
  | (?P<number>\.?\d(?:[\w.']|[eEpP][+-])*)
  | (?P<name>[A-Za-z_]\w*)
  | (?P<sign><<=|>>=|\.\.\.|->\*|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||::|[-+*/%&|^]=|[^\w\s])
''', re.S | re.X)

# Each sign, and what stands in its place.
SIGNS = {
    '<': ['<=', '>='], '<=': ['<', '>'], '>': ['>=', '<='], '>=': ['>', '<'],
    '==': ['!='], '!=': ['=='], '&&': ['||'], '||': ['&&'], '!': [''], '~': [''],
    '+': ['-'], '-': ['+'], '*': ['/'], '/': ['*'], '%': ['*'], '<<': ['>>'], '>>': ['<<'],
    '&': ['|'], '|': ['&'], '^': ['|'], '++': ['--'], '--': ['++'], '+=': ['-='], '-=': ['+='],
    '|=': ['&='], '&=': ['|='],
}

# Names that are taken for one another; each for the next ones of its row.
FAMILIES = [
    ['true', 'false'],
    ['TPARK_EMPTY', 'TPARK_PARKED', 'TPARK_NOTIFIED'],
    ['TPARK_SHARED', 'TPARK_PRECISE'],
    ['TPARK_SPIN_NEVER', 'TPARK_SPIN_ADAPTIVE', 'TPARK_SPIN_FIXED'],
    ['CLOCK_MONOTONIC', 'CLOCK_REALTIME'],
    ['PTHREAD_CANCEL_DISABLE', 'PTHREAD_CANCEL_ENABLE'],
    ['PTHREAD_PROCESS_SHARED', 'PTHREAD_PROCESS_PRIVATE'],
    ['FUTEX_WAIT_BITSET', 'FUTEX_WAIT'],
    ['FUTEX_WAKE', 'FUTEX_WAIT'],
    ['ENOSYS', 'EPERM', 'EINVAL', 'ENOMEM', 'ETIMEDOUT', 'EAGAIN', 'EINTR', 'EFAULT'],
    ['max', 'min'],
    ['tv_sec', 'tv_nsec'],
    INTEGERS := ['uint64_t', 'uint32_t', 'uint16_t', 'int16_t'],  # not in declarations of functions
]
NEXT = {}
for family in FAMILIES:
    for i, word in enumerate(family):
        others = family[i + 1:] + family[:i]
        NEXT.setdefault(word, []).extend(others if len(family) == 3 else others[:1])
for word in ('FUTEX_WAIT', 'EFAULT', 'int16_t'):  # at the end of a row, without a way back
    NEXT.pop(word)

ORDERS = {
    'acq_rel': ['acquire', 'release', 'relaxed'],
    'seq_cst': ['acq_rel', 'relaxed'],
    'acquire': ['relaxed'],
    'release': ['relaxed'],
}

OPENING = {'(': ')', '[': ']', '{': '}'}
# What ends an operand of && and ||, or the condition of ?:, on either side.
LOOSER = {'?', ':', '=', ',', ';', 'return', 'co_return', '+=', '-=', '|=', '&='}


@dataclasses.dataclass(frozen=True)
class Token:
    kind: str
    text: str
    start: int
    end: int


@dataclasses.dataclass(frozen=True)
class Mutant:
    file: str
    function: str
    operator: str
    old: str  # the lines that it changes, before and after, with single spaces
    new: str
    line: int
    is_macro: bool
    edit: tuple  # start, end, replacement

    @property
    def key(self):
        """What it is called in the file of arguments: nothing that another edit would shift."""
        return self.file, self.function, self.old, self.new

    def apply(self, text):
        start, end, replacement = self.edit
        return text[:start] + replacement + text[end:]

    def __str__(self):
        where = f'{self.file}:{self.line}'
        return f'{where}, {self.function or "outside"}, {self.operator}:\n- {self.old}\n+ {self.new}'


def tokens_of(text, start=0):
    for match in TOKEN.finditer(text, start):
        if match.lastgroup != 'space':
            yield Token(match.lastgroup, match.group(), match.start(), match.end())


class Source:
    def __init__(self, file, text):
        self.file = file
        self.text = text
        self.line_starts = [0] + [m.end() for m in re.finditer('\n', text)]
        self.tokens = [t for t in tokens_of(text) if t.kind != 'hash']
        self.macros = [t for t in tokens_of(text) if t.kind == 'hash']
        self.partner = {}
        stack = []
        for i, t in enumerate(self.tokens):
            if t.text in OPENING:
                stack.append(i)
            elif t.text in OPENING.values() and stack:
                self.partner[i] = stack.pop()
                self.partner[self.partner[i]] = i
        self.functions = []  # (first, last, name, is_void) by offsets, outer ones first
        self.found = {}

    # ------------------------------------------------------------------------ what it yields

    def line_of(self, offset):
        return bisect.bisect_right(self.line_starts, offset) - 1

    def add(self, operator, start, end, replacement, is_macro=False):
        if self.text[start:end] == replacement:
            return
        first = self.line_starts[self.line_of(start)]
        last = self.text.find('\n', max(end, start + 1) - 1)
        last = len(self.text) if last < 0 else last
        old = ' '.join(self.text[first:last].split())
        new = ' '.join((self.text[first:start] + replacement + self.text[end:last]).split())
        if old == new:
            return
        function = ''
        for a, b, name, _ in self.functions:
            if a <= start < b:
                function = name
        mutant = Mutant(self.file, function, operator, old, new, self.line_of(start) + 1, is_macro,
                        (start, end, replacement))
        self.found.setdefault(mutant.key, mutant)

    def mutate(self):
        for i, t in enumerate(self.tokens):
            if t.text == '{' and self.is_code(i) and not self.is_inside_function(t.start):
                self.function(i)
        for i, t in enumerate(self.tokens):
            self.token(t)
            if self.is_inside_function(t.start):
                self.expression(i, t)
        for macro in self.macros:
            self.macro(macro)

    def mutants(self):
        return sorted(self.found.values(), key=lambda m: m.edit)

    def is_inside_function(self, offset):
        return any(a <= offset < b for a, b, _, _ in self.functions)

    # ---------------------------------------------------------------------------- one token

    def token(self, t, base=0, is_macro=False):
        def add(operator, replacement):
            self.add(operator, base + t.start, base + t.end, replacement, is_macro)

        if t.kind == 'number':
            match = re.fullmatch(r'(0[xX][\da-fA-F]+|\d+)([uUlL]*)', t.text)
            if match:
                n = int(match[1], 0) if match[1] != '0' else 0
                for other in dict.fromkeys((n + 1, n - 1, 2 * n, 0)):
                    if other != n:
                        add('constant', f'{other}{match[2]}' if other >= 0 else f'({other})')
        elif t.kind == 'sign':
            for other in SIGNS.get(t.text, []):
                add('operator', other)
        elif t.kind == 'name':
            order = t.text.removeprefix('memory_order_')
            if order != t.text:
                for weaker in ORDERS.get(order, []):
                    add('order', 'memory_order_' + weaker)
            if 'exchange_strong' in t.text:
                add('weak', t.text.replace('strong', 'weak'))
            if t.text in INTEGERS and not self.is_inside_function(t.start):
                return
            for other in NEXT.get(t.text, []):
                add('name', other)

    # ------------------------------------------------------------------------- expressions

    def operand(self, i, step, stops):
        """The index of the last token of what stands beside the operator i."""
        i += step
        while 0 <= i < len(self.tokens):
            t = self.tokens[i]
            closes = t.text in (OPENING.values() if step > 0 else OPENING)
            if closes or t.text in stops:
                return i - step
            opens = t.text in (OPENING if step > 0 else OPENING.values())
            if opens:
                if t.text in '{}' or i not in self.partner:
                    return i - step
                i = self.partner[i]
            i += step
        return i - step

    def cut(self, first, last):
        return self.text[self.tokens[first].start:self.tokens[last].end]

    def expression(self, i, t):
        tokens = self.tokens
        if t.text in ('&&', '||'):
            stops = LOOSER | {'&&', '||'}
            left, right = self.operand(i, -1, stops), self.operand(i, 1, stops)
            if left < i < right:
                self.add('operand', tokens[left].start, tokens[i + 1].start, '')
                self.add('operand', tokens[i - 1].end, tokens[right].end, '')
        elif t.text == '?':
            first = self.operand(i, -1, LOOSER)
            colon, depth = i + 1, 0
            while colon < len(tokens) and (tokens[colon].text != ':' or depth):
                depth += {'?': 1, ':': -1}.get(tokens[colon].text, 0)
                colon = self.partner.get(colon, colon) + 1 if tokens[colon].text in OPENING \
                    else colon + 1
            last = self.operand(colon, 1, LOOSER - {'?', ':'})
            condition, one, other = (self.cut(first, i - 1), self.cut(i + 1, colon - 1),
                                     self.cut(colon + 1, last))
            for new in (f'!({condition}) ? {one} : {other}', f'({condition}) ? {one} : {one}',
                        f'({condition}) ? {other} : {other}'):
                self.add('condition', tokens[first].start, tokens[last].end, new)
        elif t.text == '(' and i and tokens[i - 1].kind == 'name' and i in self.partner:
            self.arguments(i)
        elif t.text == 'move' and tokens[i - 1].text == '::':
            self.add('move', tokens[i - 2].start, t.end, '')
        elif t.text == '...' and tokens[i - 1].text == '(' and tokens[i - 2].text == 'catch':
            self.add('catch', t.start, t.end, 'const std::exception &')

    def arguments(self, opening):
        """Swaps neighbours."""
        parts, start = [], opening + 1
        i = start
        while i <= self.partner[opening]:
            t = self.tokens[i]
            if t.text == ',' or i == self.partner[opening]:
                if i > start:
                    parts.append((start, i - 1))
                start = i + 1
            i = self.partner[i] + 1 if t.text in OPENING else i + 1
        for (a, b), (c, d) in zip(parts, parts[1:]):
            between = self.text[self.tokens[b].end:self.tokens[c].start]
            self.add('arguments', self.tokens[a].start, self.tokens[d].end,
                     self.cut(c, d) + between + self.cut(a, b))

    # -------------------------------------------------------------------------- statements

    def is_code(self, i):
        """Whether the brace opens the body of a function."""
        before = i - 1
        while before > 0 and self.tokens[before].text in ('const', 'noexcept', 'mutable', 'override'):
            before -= 1
        if self.tokens[before].text != ')' or before not in self.partner:
            # A lambda's trailing return type.
            return self.tokens[before].kind == 'name' and self.tokens[before - 1].text == '->' and \
                self.tokens[before - 2].text == ')'
        opening = self.partner[before]
        return self.tokens[opening - 1].text == ']' or self.tokens[opening - 1].kind == 'name'

    def function(self, brace):
        closing = self.partner[brace]
        i = brace - 1
        while self.tokens[i].text != ')':
            i -= 1
        name = self.partner[i] - 1
        # The constructor's list of initialisers, C++.
        while self.tokens[name - 1].text in (',', ':') and name > 2:
            name -= 2
            while name in self.partner:
                name = self.partner[name] - 1
        is_lambda = self.tokens[name].text == ']'
        named = 'lambda' if is_lambda else self.tokens[name].text
        is_void = self.tokens[name - 1].text == 'void'
        outer = [f for f in self.functions if f[0] <= self.tokens[brace].start < f[1]]
        if is_lambda and outer:
            named = outer[-1][2]
        self.functions.append((self.tokens[brace].start, self.tokens[closing].end, named, is_void))
        self.is_void = is_void
        self.block(brace)
        for j in range(brace + 1, closing):
            if self.tokens[j].text == '{' and self.is_code(j) and \
                    self.tokens[self.partner[j - 1] - 1 if self.tokens[j - 1].text == ')' else 0
                                ].text not in ('if', 'while', 'for', 'switch', 'catch'):
                if not any(f[0] == self.tokens[j].start for f in self.functions):
                    self.function(j)

    def block(self, brace):
        end = self.partner[brace]
        start = self.tokens[brace].end
        self.add('return', start, start, ' return;' if self.is_void else ' return 0;')
        i, before = brace + 1, None
        while i < end:
            first, last, is_simple = self.statement(i)
            if is_simple and before:
                a, b = before
                between = self.text[self.tokens[b].end:self.tokens[first].start]
                self.add('order of statements', self.tokens[a].start, self.tokens[last].end,
                         self.cut(first, last) + between + self.cut(a, b))
            before = (first, last) if is_simple else None
            i = last + 1

    def statement(self, i):
        """Its first token, its last one, and whether it is a simple one."""
        tokens, first, word = self.tokens, i, self.tokens[i].text
        if word == '{':
            self.block(i)
            return first, self.partner[i], False
        if word in ('if', 'while', 'for', 'switch', 'catch'):
            opening = i + 1
            while tokens[opening].text != '(':
                opening += 1
            closing = self.partner[opening]
            self.condition(word, opening, closing)
            last = self.statement(closing + 1)[1]
            if word == 'if' and tokens[last + 1].text == 'else':
                last = self.statement(last + 2)[1]
            return first, last, False
        if word in ('do', 'try'):
            last = self.statement(i + 1)[1]
            if word == 'do':
                self.condition('while', last + 2, self.partner[last + 2])
                last = self.partner[last + 2] + 1
            return first, last, False
        if word in ('case', 'default'):
            while tokens[i].text != ':':
                i += 1
            self.add('case', tokens[first].start, tokens[i].end, '')
            return first, i, False
        while tokens[i].text != ';':
            i = self.partner[i] + 1 if tokens[i].text in OPENING else i + 1
        if word not in ('struct', 'using'):
            self.add('deletion', tokens[first].start, tokens[i].end, ';')
        if word == 'return' and i > first + 1 and tokens[first + 1].text in ('true', 'false'):
            return first, i, False
        return first, i, word != 'return'

    def condition(self, word, opening, closing):
        first, last = opening + 1, closing - 1
        if word == 'for':
            signs = [j for j in range(first, closing) if self.tokens[j].text == ';']
            if len(signs) != 2 or signs[0] + 1 == signs[1]:
                return
            first, last = signs[0] + 1, signs[1] - 1
        elif word not in ('if', 'while') or any(
                self.tokens[j].text in ('=', ';') for j in range(first, closing)):
            return
        condition = self.cut(first, last)
        for new in (f'!({condition})', f'({condition}) && false', f'({condition}) || true'):
            self.add('condition', self.tokens[first].start, self.tokens[last].end, new)

    # ------------------------------------------------------------------------------- macros

    def macro(self, macro):
        match = re.match(r'[ \t]*#[ \t]*define[ \t]+\w+(\([^)]*\))?', macro.text)
        if not match:
            return
        base = macro.start + match.end()
        body = Source(self.file, macro.text[match.end():])
        if match[1] is None and not re.search(r'\d|\(', body.text):
            return
        for t in body.tokens:
            self.token(t, base, True)
        for a, b in body.partner.items():
            if body.tokens[a].text == '(' and (a == 0 or body.tokens[a - 1].kind != 'name'):
                a, b = body.tokens[a], body.tokens[b]
                self.add('parentheses', base + a.start, base + b.end,
                         body.text[a.end:b.start], True)
