"""Texts made of shapes and of regular expressions, the same ones each time."""

import re
import re._constants as parts
import re._parser as parser

ALPHABETS = {
    "w": "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
    "b": "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_",
    "l": "0123456789abcdefghijklmnopqrstuvwxyz",
    "u": "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "h": "0123456789abcdef",
    "d": "0123456789",
}


def of_shape(shape, random):
    """A text of a shape: what stands in braces is drawn. Where nothing is, something follows, as in a key that begins with its name."""
    drawn = re.sub(r"\{([a-z])(\d+)\}", lambda place: "".join(random.choices(ALPHABETS[place[1]], k=int(place[2]))), shape)
    return drawn if drawn != shape else shape + "".join(random.choices(ALPHABETS["w"], k=40))


def of_regex(pattern, random):
    """A text that a regular expression matches; what only looks around is left out."""
    return "".join(piece(node, random) for node in parser.parse(pattern))


def piece(node, random):
    what, detail = node
    if what is parts.LITERAL:
        return chr(detail)
    if what is parts.IN:
        return random.choice(sorted(members(detail)))
    if what is parts.ANY:
        return random.choice(ALPHABETS["w"])
    if what in (parts.MAX_REPEAT, parts.MIN_REPEAT):
        least, most, inner = detail
        count = random.randint(least, max(least, min(most, least + 8)))
        return "".join(piece(part, random) for _ in range(count) for part in inner)
    if what is parts.SUBPATTERN:
        return "".join(piece(part, random) for part in detail[3])
    if what is parts.BRANCH:
        return "".join(piece(part, random) for part in random.choice(detail[1]))
    if what in (parts.AT, parts.ASSERT, parts.ASSERT_NOT):
        return ""
    raise NotImplementedError(what)


def members(of):
    found = set()
    for what, detail in of:
        if what is parts.LITERAL:
            found.add(chr(detail))
        elif what is parts.RANGE:
            found.update(chr(code) for code in range(detail[0], detail[1] + 1))
        elif what is parts.CATEGORY:
            found.update({parts.CATEGORY_DIGIT: ALPHABETS["d"], parts.CATEGORY_WORD: ALPHABETS["w"] + "_", parts.CATEGORY_SPACE: " "}[detail])
        else:
            raise NotImplementedError(what)
    return found
