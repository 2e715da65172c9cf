"""The scenarios of the shipped dialogues: who says what, and what it comes down to.

A script is a sequence of turns, each with several wordings. `{a}` and `{b}` are the two
speakers, every other field is a fact drawn from a pool of words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dialogue_words as words


@dataclass(frozen=True)
class Scenario:
    """A kind of dialogue. `pools` gives each fact its words; `ordered` facts rise in their pool."""

    id: str
    pools: Mapping[str, Sequence[str | words.Reason]]
    turns: Sequence[Sequence[str]]
    summary: str
    ordered: tuple[str, ...] = ()


SCENARIOS = (
    Scenario(
        "meeting",
        {"place": words.PLACES, "day": words.DAYS, "time": words.TIMES},
        (
            ("{a}: Are you free on {day}?", "{a}: Shall we do something on {day}, {b}?"),
            ("{b}: Yes, I am free at {time}.", "{b}: I have time at {time}."),
            ("{a}: Then let us meet at the {place}.", "{a}: Good. I will wait at the {place}."),
        ),
        "{a} and {b} will meet at the {place} on {day} at {time}.",
    ),
    Scenario(
        "delay",
        {
            "place": words.PLACES,
            "time": words.TIMES[:-1],
            "later": words.TIMES[1:],
            "why": words.DELAYS,
        },
        (
            (
                "{a}: Are we still meeting at the {place} at {time}?",
                "{a}: See you at {time} at the {place}, {b}!",
            ),
            (
                "{b}: Sorry, {why.said}. Can we say {later}?",
                "{b}: Could we make it {later}? {why.said}.",
            ),
            ("{a}: Of course, {later} is fine.", "{a}: No problem, take your time."),
        ),
        "{a} and {b} will meet at the {place} at {later} because {b} {why.told}.",
        ordered=("time", "later"),
    ),
    Scenario(
        "loan",
        {"thing": words.THINGS, "day": words.DAYS, "other": words.THINGS},
        (
            ("{a}: Could I borrow your {thing}?", "{a}: May I use your {thing} for a while, {b}?"),
            (
                "{b}: Sure, but I need it back on {day}.",
                "{b}: Yes, if you return it on {day}.",
            ),
            (
                "{a}: Thank you! I still have your {other} as well.",
                "{a}: Of course. You can have my {other} meanwhile.",
            ),
        ),
        "{b} will lend {a} the {thing} until {day}.",
    ),
    Scenario(
        "no-loan",
        {"thing": words.THINGS, "friend": words.NAMES},
        (
            (
                "{a}: My weekend would be perfect with your {thing}. Can you lend it to me?",
                "{a}: Could you lend me the {thing}, {b}?",
                "{a}: Is your {thing} free on Sunday?",
            ),
            ("{b}: I am afraid {friend} has it.", "{b}: Sorry, I gave it to {friend}."),
            ("{a}: What a pity.", "{a}: Never mind, I will ask somebody else."),
        ),
        "{b} cannot lend {a} the {thing} because {friend} has it.",
    ),
    Scenario(
        "trip",
        {"city": words.CITIES, "vehicle": words.VEHICLES, "day": words.DAYS},
        (
            ("{b}: Where are you off to?", "{b}: Any plans for your holiday, {a}?"),
            ("{a}: I am going to {city} on {day}.", "{a}: On {day} I leave for {city}."),
            ("{b}: Will you walk there?", "{b}: Are you going by bicycle?"),
            ("{a}: I am taking the {vehicle}.", "{a}: No, I prefer the {vehicle}."),
        ),
        "{a} is going to {city} by {vehicle} on {day}.",
    ),
    Scenario(
        "pet",
        {"pet": words.PETS, "city": words.CITIES},
        (
            ("{a}: I am spending next week in {city}.", "{a}: Soon I will be in {city}, at last."),
            ("{b}: And who feeds your {pet}?", "{b}: What about the {pet}?"),
            ("{a}: I do not know. Could you?", "{a}: I hoped that you would ask, {b}."),
            ("{b}: Gladly.", "{b}: I would love to.", "{b}: Bring it over to my place."),
        ),
        "{b} will look after the {pet} while {a} is in {city}.",
    ),
    Scenario(
        "refusal",
        {"event": words.EVENTS, "day": words.DAYS, "why": words.EXCUSES},
        (
            ("{a}: Will you come to my {event} on {day}?", "{a}: My {event} is on {day}. Join us!"),
            ("{b}: I would love to, but {why.said}.", "{b}: Sadly {why.said} that day."),
            ("{a}: We will miss you.", "{a}: Oh no! Next time, then."),
        ),
        "{b} cannot come to the {event} on {day} because {b} {why.told}.",
    ),
    Scenario(
        "lost",
        {"thing": words.LOSABLE, "spot": words.SPOTS, "wrong": words.SPOTS},
        (
            ("{a}: Have you seen my {thing}?", "{a}: I cannot find my {thing}, {b}."),
            ("{b}: Is it not {wrong}?", "{b}: Did you look {wrong}?"),
            ("{a}: I looked there already.", "{a}: No, it is not."),
            ("{b}: Wait, I see it {spot}!", "{b}: Then it must be {spot}."),
        ),
        "{a} lost the {thing}, but it was {spot}.",
    ),
    Scenario(
        "gift",
        {
            "friend": words.NAMES,
            "occasion": words.OCCASIONS,
            "gift": words.GIFTS,
            "wrong": words.GIFTS,
        },
        (
            (
                "{a}: What shall we give {friend} for the {occasion}?",
                "{a}: We need a present for {friend}. The {occasion} is near!",
            ),
            ("{b}: Maybe {wrong}?", "{b}: I thought of {wrong}."),
            ("{a}: Hm, I would rather get {gift}.", "{a}: No, {gift} would be better."),
            ("{b}: Good idea.", "{b}: You are right.", "{b}: Yes, {friend} will be happy."),
        ),
        "{a} and {b} will give {friend} {gift} for the {occasion}.",
    ),
    Scenario(
        "help",
        {"chore": words.CHORES, "day": words.DAYS, "busy": words.DAYS},
        (
            ("{a}: Can you help me {chore} on {busy}?", "{a}: On {busy} I must {chore}. Any help?"),
            ("{b}: On {busy} I am busy, but {day} is fine.", "{b}: Not then. I could on {day}."),
            ("{a}: Great, I will make lunch.", "{a}: {day} it is.", "{a}: You are a star."),
        ),
        "{b} will help {a} {chore} on {day}.",
    ),
    Scenario(
        "errand",
        {"first": words.GROCERIES, "second": words.GROCERIES, "dropped": words.GROCERIES},
        (
            ("{a}: I am at the shop. What do you need?", "{a}: Shall I bring you something?"),
            ("{b}: Some {first} and {dropped}.", "{b}: Yes, {dropped} and {first}, please."),
            ("{a}: They have no {dropped} today.", "{a}: They have run out of {dropped}."),
            ("{b}: Then take {second}.", "{b}: In that case get me some {second}."),
        ),
        "{a} will buy {first} and {second} for {b}.",
    ),
    Scenario(
        "dinner",
        {"dish": words.DISHES, "wrong": words.DISHES, "day": words.DAYS},
        (
            ("{a}: Come over for dinner on {day}!", "{a}: On {day} I will cook for you, {b}."),
            ("{b}: Lovely. Will there be {wrong}?", "{b}: How nice! I hope it is {wrong}."),
            ("{a}: No, I am making {dish}.", "{a}: Not this time. There will be {dish}."),
            ("{b}: Even better!", "{b}: I can hardly wait.", "{b}: I will bring some juice."),
        ),
        "{a} will cook {dish} for {b} on {day}.",
    ),
    Scenario(
        "outing",
        {"plan": words.ACTIVITIES, "wrong": words.ACTIVITIES, "day": words.DAYS},
        (
            ("{a}: Let us {wrong} on {day}.", "{a}: Would you like to {wrong} on {day}?"),
            ("{b}: I would rather {plan}.", "{b}: Again? Why not {plan} instead?"),
            ("{a}: Fine with me.", "{a}: All right, you win.", "{a}: Yes, that is more fun."),
        ),
        "{a} and {b} will {plan} on {day}.",
    ),
)

# Talk that no summary should mention. `{x}` and `{y}` are the two speakers, in either order.
OPENINGS = (
    (),
    ("{x}: Hi {y}!",),
    ("{x}: {y}, do you have a minute?",),
    ("{x}: Good morning, {y}.", "{y}: Hello {x}."),
    ("{x}: How are you, {y}?", "{y}: Very well, thank you."),
    ("{x}: What a rainy day!", "{y}: I like the rain."),
    ("{x}: I saw you at the {other_place}.", "{y}: Yes, I was there with {other_friend}."),
    ("{x}: I just had {other_dish} for lunch.", "{y}: That sounds good."),
    ("{x}: {other_friend} is back from {other_city}.", "{y}: Oh, I must call {other_friend}."),
    ("{x}: {other_friend} likes my new {other_thing}.", "{y}: So do I."),
)
CLOSINGS = (
    (),
    ("{x}: Bye, {y}!",),
    ("{x}: Talk to you soon.",),
    ("{x}: Say hello to {other_friend}.", "{y}: I will."),
    ("{x}: I have to run now.", "{y}: Take care, {x}."),
)
SMALL_TALK_POOLS: Mapping[str, Sequence[str]] = {
    "other_place": words.PLACES,
    "other_friend": words.NAMES,
    "other_dish": words.DISHES,
    "other_city": words.CITIES,
    "other_thing": words.THINGS,
}
