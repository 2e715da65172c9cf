"""The words of the little world in which the shipped dialogues take place."""

from typing import NamedTuple


class Reason(NamedTuple):
    """One reason, as its owner says it and as a third person tells it."""

    said: str
    told: str


NAMES = (
    "Adam", "Alice", "Amir", "Anna", "Ben", "Bruno", "Carla", "Chen", "Clara", "Daniel", "David",
    "Diana", "Elena", "Emma", "Eric", "Eva", "Felix", "Fiona", "Frank", "Grace", "Hanna", "Henry",
    "Hugo", "Ida", "Iris", "Ivan", "Jack", "Jana", "Jonas", "Julia", "Karim", "Kate", "Laura",
    "Lena", "Leo", "Lucas", "Lucy", "Maria", "Mark", "Mia", "Mila", "Nadia", "Nina", "Noah", "Nora",
    "Oliver", "Omar", "Oscar", "Paula", "Peter", "Priya", "Rosa", "Ruth", "Sam", "Sara", "Simon",
    "Sofia", "Tara", "Theo", "Tom", "Vera", "Victor", "Yuki", "Zoe",
)  # fmt: skip

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

# In the order of the clock: the scripts rely on it to pick a later time.
TIMES = (
    "nine", "half past nine", "ten", "half past ten", "eleven", "noon", "one", "two",
    "half past two", "three", "four", "half past four", "five", "six", "half past six", "seven",
)  # fmt: skip

PLACES = (
    "bakery", "beach", "bridge", "bus stop", "cafe", "castle", "church", "cinema", "fountain",
    "gallery", "garden", "gym", "harbour", "hotel", "library", "lake", "market", "museum",
    "office", "park", "school", "stadium", "station", "theatre", "tower", "zoo",
)  # fmt: skip

THINGS = (
    "atlas", "bike", "blender", "camera", "chess set", "cookbook", "drill", "drum", "flute",
    "guitar", "hammer", "helmet", "iron", "kayak", "ladder", "lamp", "mixer", "projector",
    "raincoat", "sewing machine", "sledge", "suitcase", "surfboard", "telescope", "tent",
    "toolbox", "violin", "wheelbarrow",
)  # fmt: skip

LOSABLE = (
    "badge", "bracelet", "diary", "glove", "hat", "key", "mug", "necklace", "notebook",
    "passport", "pen", "phone", "purse", "ring", "scarf", "ticket", "umbrella", "wallet",
)  # fmt: skip

SPOTS = (
    "behind the curtain", "behind the door", "in the basket", "in the bathroom", "in the car",
    "in the drawer", "in the fridge", "in the garage", "in the hall", "next to the bed",
    "next to the radio", "on the balcony", "on the desk", "on the piano", "on the shelf",
    "on the stairs", "under the blanket", "under the chair", "under the sofa",
)  # fmt: skip

GIFTS = (
    "a board game", "a box of chocolates", "a bunch of roses", "a calendar", "a candle",
    "a clock", "a cushion", "a jigsaw puzzle", "a kite", "a novel", "a pair of slippers",
    "a plant", "a poster", "a silk tie", "a sweater", "a teapot", "a toy train", "a vase",
)  # fmt: skip

OCCASIONS = ("birthday", "farewell party", "graduation", "housewarming", "wedding")

GROCERIES = (
    "apples", "beans", "bread", "butter", "carrots", "cheese", "coffee", "eggs", "flour", "grapes",
    "honey", "lemons", "milk", "mushrooms", "oats", "onions", "pasta", "pears", "rice", "salt",
    "spinach", "sugar", "tea", "tomatoes",
)  # fmt: skip

DISHES = (
    "a mushroom pie", "bean stew", "carrot soup", "dumplings", "fish curry", "fried rice",
    "grilled salmon", "lasagne", "lentil soup", "noodles", "onion soup", "paella", "pancakes",
    "pizza", "roast chicken", "tacos",
)  # fmt: skip

CITIES = (
    "Athens", "Bergen", "Berlin", "Bilbao", "Bordeaux", "Bruges", "Dublin", "Florence", "Geneva",
    "Ghent", "Hamburg", "Helsinki", "Krakow", "Lisbon", "London", "Lyon", "Madrid", "Milan",
    "Munich", "Naples", "Oslo", "Paris", "Porto", "Prague", "Rome", "Seville", "Turin", "Venice",
    "Vienna", "Warsaw",
)  # fmt: skip

VEHICLES = ("bus", "car", "coach", "ferry", "plane", "train")

PETS = ("canary", "cat", "dog", "goldfish", "hamster", "parrot", "pony", "rabbit", "tortoise")

EVENTS = (
    "barbecue", "birthday party", "book club", "concert", "costume party", "dance show",
    "exhibition", "garden party", "picnic", "poetry reading", "quiz night", "tennis match",
)  # fmt: skip

CHORES = (
    "bake the cake", "build the shed", "clean the attic", "fix the gate", "hang the pictures",
    "mend the roof", "move the wardrobe", "mow the lawn", "pack the boxes", "paint the fence",
    "pick the cherries", "plant the hedge", "sort the books", "wash the windows",
)  # fmt: skip

ACTIVITIES = (
    "fly kites", "go bowling", "go climbing", "go dancing", "go fishing", "go hiking", "go sailing",
    "go skating", "go swimming", "listen to records", "play cards", "play chess", "play golf",
    "play tennis", "ride horses", "watch a comedy", "watch the match", "watch the stars",
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
