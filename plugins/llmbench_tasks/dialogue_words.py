"""The words of the little world in which the shipped dialogues take place."""

from typing import NamedTuple


class Reason(NamedTuple):
    """One reason, as its owner says it and as a third person tells it."""

    said: str
    told: str


NAMES = (
    "Adam", "Alice", "Anna", "Ben", "Carla", "Chen", "Clara", "David", "Elena", "Emma", "Felix",
    "Grace", "Hugo", "Ida", "Ivan", "Jack", "Jana", "Julia", "Karim", "Kate", "Leo", "Lucy",
    "Maria", "Mark", "Nina", "Noah", "Omar", "Peter", "Rosa", "Sam", "Tom", "Zoe",
)  # fmt: skip

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

# In the order of the clock: the scripts rely on it to pick a later time.
TIMES = (
    "nine", "half past nine", "ten", "eleven", "noon", "one", "two", "half past two", "three",
    "four", "five", "half past five", "six", "seven",
)  # fmt: skip

PLACES = (
    "bakery", "beach", "bridge", "cafe", "castle", "cinema", "fountain", "garden", "harbour",
    "library", "market", "museum", "park", "station", "theatre", "zoo",
)  # fmt: skip

THINGS = (
    "bike", "camera", "chess set", "drill", "drum", "flute", "guitar", "hammer", "kayak", "ladder",
    "lamp", "suitcase", "telescope", "tent", "toolbox", "violin",
)  # fmt: skip

LOSABLE = (
    "diary", "glove", "hat", "key", "mug", "notebook", "passport", "pen", "phone", "ring", "scarf",
    "ticket", "umbrella", "wallet",
)  # fmt: skip

SPOTS = (
    "behind the curtain", "behind the door", "in the basket", "in the drawer", "in the garage",
    "in the hall", "next to the bed", "next to the radio", "on the balcony", "on the desk",
    "on the piano", "on the shelf", "under the blanket", "under the chair", "under the sofa",
)  # fmt: skip

GIFTS = (
    "a board game", "a box of chocolates", "a bunch of roses", "a calendar", "a candle", "a clock",
    "a kite", "a novel", "a plant", "a poster", "a silk tie", "a sweater", "a teapot", "a vase",
)  # fmt: skip

OCCASIONS = ("birthday", "farewell party", "graduation", "housewarming", "wedding")

GROCERIES = (
    "apples", "beans", "bread", "butter", "carrots", "cheese", "coffee", "eggs", "flour", "honey",
    "lemons", "milk", "onions", "pasta", "rice", "sugar",
)  # fmt: skip

DISHES = (
    "bean stew", "carrot soup", "dumplings", "fish curry", "fried rice", "lasagne", "lentil soup",
    "noodles", "onion soup", "paella", "pancakes", "pizza", "roast chicken", "tacos",
)  # fmt: skip

CITIES = (
    "Athens", "Bergen", "Berlin", "Dublin", "Geneva", "Lisbon", "London", "Madrid", "Naples",
    "Oslo", "Paris", "Prague", "Rome", "Venice", "Vienna", "Warsaw",
)  # fmt: skip

VEHICLES = ("bus", "car", "coach", "ferry", "plane", "train")

PETS = (
    "canary", "cat", "dog", "goldfish", "hamster", "parrot", "rabbit", "tortoise",
)  # fmt: skip

EVENTS = (
    "barbecue", "birthday party", "book club", "concert", "costume party", "exhibition",
    "garden party", "picnic", "poetry reading", "quiz night",
)  # fmt: skip

CHORES = (
    "bake the cake", "clean the attic", "fix the gate", "hang the pictures", "mend the roof",
    "move the wardrobe", "mow the lawn", "pack the boxes", "paint the fence", "pick the cherries",
    "plant the hedge", "sort the books", "wash the windows",
)  # fmt: skip

ACTIVITIES = (
    "fly kites", "go bowling", "go climbing", "go dancing", "go fishing", "go hiking", "go sailing",
    "go skating", "go swimming", "play cards", "play chess", "play golf", "play tennis",
    "ride horses",
)  # fmt: skip

# Why somebody cannot come.
EXCUSES = (
    Reason("I am moving house", "is moving house"),
    Reason("I am on night duty", "is on night duty"),
    Reason("I am visiting my aunt", "is visiting an aunt"),
    Reason("I have a dentist appointment", "has a dentist appointment"),
    Reason("I have a piano lesson", "has a piano lesson"),
    Reason("I have an exam", "has an exam"),
    Reason("I have guests", "has guests"),
    Reason("I have to look after the twins", "has to look after the twins"),
    Reason("I have to work", "has to work"),
)

# Why somebody comes later.
DELAYS = (
    Reason("I am stuck in traffic", "is stuck in traffic"),
    Reason("I am waiting for the plumber", "is waiting for the plumber"),
    Reason("I have a flat tyre", "has a flat tyre"),
    Reason("I have a long meeting", "has a long meeting"),
    Reason("I have to finish a report", "has to finish a report"),
    Reason("I have to see a doctor", "has to see a doctor"),
    Reason("I have to walk the dog", "has to walk the dog"),
    Reason("I missed the bus", "missed the bus"),
    Reason("I overslept", "overslept"),
)
