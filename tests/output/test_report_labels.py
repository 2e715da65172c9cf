"""Labels in scatter charts cover no mark and no other label."""

import random

from llmbench.output.html.charts.plot import CHARACTER, LINE, Plot, Scale
from llmbench.output.html.charts.scatter import place


def boxes(labels, texts):
    for i, label in labels.items():
        length = CHARACTER * len(texts[i])
        left = label.x if label.anchor == "start" else label.x - length
        yield left, label.y - LINE / 2, left + length, label.y + LINE / 2


def apart(one, other) -> bool:
    return one[0] >= other[2] or other[0] >= one[2] or one[1] >= other[3] or other[1] >= one[3]


def test_labels_cover_no_mark_and_no_other_label():
    plot = Plot(Scale("across", 0, 1), Scale("up", 0, 1))
    chance = random.Random(7)
    for _ in range(50):
        points = [plot.at(chance.uniform(0.3, 0.7), chance.uniform(0.4, 0.6)) for _ in range(8)]
        texts = ["full", "lora", "qlora", "lora+8-bit", "lora+4-bit", "full+fa", "full+gc", ""]
        labels = place(points, texts, plot)
        drawn = list(boxes(labels, texts))
        assert len(drawn) >= 5
        assert 7 not in labels
        marks = [(x - 4.7, y - 4.7, x + 4.7, y + 4.7) for x, y in points]
        assert all(apart(box, mark) for box in drawn for mark in marks)
        assert all(apart(a, b) for n, a in enumerate(drawn) for b in drawn[:n])
