"""Genres of machines: drum and bass, ambient, chiptune, disco."""

from musicrl_jax.synthesis import style

DRUM_AND_BASS = style.Genre(
    name="drum and bass",
    tempo=(166, 178),
    moods=("dark", "energetic", "aggressive", "dreamy"),
    leads=("sawtooth synth", "electric piano", "flute", "vibraphone"),
    progressions=((1, 1, 6, 6), (1, 1, 4, 5), (6, 6, 1, 4), (1, 6, 4, 5)),
    rhythms=(
        "x-------x-------x---------------",
        "x-----x-----x---x-----x---------",
        "x--x--x---x-x-x-x--x--x---------",
    ),
    drums={
        "kick": ("X.........X.....", "X..X......X.....", "X.X.......XX...."),
        "snare": ("....X..g.g..X..g", "....X..g....X.g.", "....X..x.g..X..x"),
        "hat": ("x.x.x.x.x.x.x.x.", "xgxgxgxgxgxgxgxg", "x.x.x.x.x.x.x.x."),
        "ride": ("................", "x...x...x...x...", "x.x.x.x.x.x.x.x."),
    },
    kit=16,
    parts=(
        style.Part(
            instrument="sub bass",
            patterns=("r-----r---r-----", "r---..r-..o-r-..", "r-r-..r---..f-o-"),
            low=28,
            velocity=118,
        ),
        style.Part(
            instrument="warm pad",
            patterns=("c---------------",),
            low=58,
            velocity=58,
        ),
    ),
    tones=4,
    loose=0.0,
)

AMBIENT = style.Genre(
    name="ambient",
    tempo=(54, 66),
    moods=("calm", "dreamy", "dark", "sad"),
    leads=("choir", "celesta", "halo pad", "cello"),
    progressions=((1, 4), (1, 6), (4, 1), (1, 3), (6, 4)),
    rhythms=(
        "x---------------x---------------",
        "x-----------x-----------x-------",
    ),
    parts=(
        style.Part(
            instrument="warm pad",
            patterns=("c-------------------------------",),
            low=48,
            velocity=85,
        ),
        style.Part(
            instrument="new age pad",
            patterns=(
                "1-------3-------2-------4-------",
                "................5-------6-------",
            ),
            low=60,
            velocity=60,
        ),
        style.Part(
            instrument="synth strings",
            patterns=("r-------------------------------",),
            low=36,
            velocity=70,
        ),
    ),
    bars_per_chord=2,
    tones=4,
    lead_low=64,
    lead_velocity=100,
    reverb=110,
    loose=0.02,
)

CHIPTUNE = style.Genre(
    name="chiptune",
    tempo=(138, 160),
    moods=("happy", "playful", "energetic", "dramatic"),
    leads=("square synth",),
    progressions=((1, 5, 6, 4), (1, 4, 5, 5), (6, 4, 1, 5), (1, 6, 4, 5)),
    rhythms=(
        "x---x---x---x---x---x---x-------",
        "x-x-x---x-x-x---x-x-x-x-x---x---",
        "x-xxx-x-x-xxx-x-xxx-x-x-x-x-x---",
    ),
    drums={
        "hat": ("..x...x...x...x.", "x.x.x.x.x.x.x.x."),
        "snare": ("....x.......x...", "....x.......x.xx"),
        "kick": ("x.......x.......", "x.....x.x......."),
    },
    kit=25,
    parts=(
        style.Part(
            instrument="square synth",
            patterns=("1234123412341234", "1324132413241324", "1.3.2.3.1.3.2.3."),
            low=60,
            velocity=48,
        ),
        style.Part(
            instrument="square synth",
            patterns=("r.r.o.r.r.r.o.r.", "r.o.r.o.r.o.r.o."),
            low=36,
            velocity=80,
        ),
    ),
    lead_low=72,
    reverb=0,
    loose=0.0,
)

DISCO = style.Genre(
    name="disco",
    tempo=(114, 126),
    moods=("happy", "energetic", "playful", "nostalgic"),
    leads=("strings", "brass section", "electric guitar", "saxophone"),
    progressions=((1, 6, 2, 5), (6, 4, 1, 5), (4, 5, 3, 6), (1, 4, 1, 5)),
    rhythms=(
        "x-------x---x---x---------------",
        "x---x-x---x-x---x---x-----------",
        "x-x-..x-x-..x-x-x-x-x-..x-------",
    ),
    drums={
        "kick": ("X...X...X...X...", "X...X...X...X..."),
        "open hat": ("..x...x...x...x.", "..X...X...X...X."),
        "hat": ("x...x...x...x...", "xg.gxg.gxg.gxg.g"),
        "snare": ("....x.......x...", "....x.......x..g"),
        "clap": ("....x.......x...", "....X.......X..."),
    },
    parts=(
        style.Part(
            instrument="electric bass",
            patterns=("r.o.r.o.r.o.r.o.", "r-o-r-o-r-o-f-o-", "r..or.o.r..of.o."),
            low=31,
            velocity=112,
        ),
        style.Part(
            instrument="muted guitar",
            patterns=("c.cc.c.cc.cc.c.c", "..c...c...c...c."),
            low=60,
            velocity=75,
        ),
        style.Part(
            instrument="synth strings",
            patterns=("c---------------", "c---........c---"),
            low=62,
            velocity=70,
        ),
    ),
    tones=4,
    lead_low=67,
)

GENRES = (DRUM_AND_BASS, AMBIENT, CHIPTUNE, DISCO)
