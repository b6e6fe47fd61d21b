"""Genres of bands: metal, reggae, swing jazz, hip hop."""

from musicrl_jax.synthesis import style

METAL = style.Genre(
    name="metal",
    tempo=(140, 168),
    moods=("aggressive", "dark", "dramatic"),
    leads=("distorted guitar", "overdriven guitar", "violin"),
    progressions=((1, 1, 6, 7), (1, 6, 7, 1), (1, 1, 4, 5), (1, 7, 6, 5)),
    rhythms=(
        "x---------------x-------x-------",
        "x-----x-x-------x-----x-x---x---",
        "x-x-x-x-x---x---x-x-x-x-x-x-x---",
    ),
    drums={
        "kick": ("x.xxx.xxx.xxx.xx", "xxxxxxxxxxxxxxxx", "x.x.x.x.x.x.x.x."),
        "snare": ("....X.......X...", "....X.......X...", "..X...X...X...X."),
        "crash": ("x.......x.......", "x...x...x...x...", "x..............."),
        "hat": ("x...x...x...x...", "................", "x.x.x.x.x.x.x.x."),
    },
    kit=16,
    parts=(
        style.Part(
            instrument="distorted guitar",
            patterns=("p-pppp.pp-pppp.p", "pppppppppppppppp", "p---..p-p---p-p-"),
            low=40,
            velocity=112,
        ),
        style.Part(
            instrument="overdriven guitar",
            patterns=("p-pppp.pp-pppp.p", "pppppppppppppppp", "p---..p-p---p-p-"),
            low=40,
            velocity=90,
        ),
        style.Part(
            instrument="picked bass",
            patterns=("r.r.r.r.r.r.r.r.", "rrrrrrrrrrrrrrrr"),
            low=28,
            velocity=115,
        ),
    ),
    lead_low=67,
    lead_velocity=112,
    drum_volume=74,
    reverb=25,
    loose=0.003,
)

REGGAE = style.Genre(
    name="reggae",
    tempo=(68, 80),
    moods=("happy", "calm", "nostalgic", "playful"),
    leads=("trumpet", "harmonica", "organ", "saxophone"),
    progressions=((1, 4, 1, 5), (1, 5, 4, 1), (6, 4, 1, 5), (1, 2, 1, 2)),
    rhythms=(
        "x-----x---------x---x-----------",
        "x-x---x---x-----x-x---x---------",
        "x-x-x---x-x-x---x-x---x-x-------",
    ),
    drums={
        "kick": ("........X.......", "........X.......", "X...X...X...X..."),
        "rim": ("........X.......", "......g.X.....g.", "........X......."),
        "hat": ("x.g.x.g.x.g.x.g.", "x.ggx.g.x.g.x.gg", "x.g.x.g.x.g.x.g."),
    },
    parts=(
        style.Part(
            instrument="electric guitar",
            patterns=("....c.......c...", "....c.c.....c.c."),
            low=62,
            velocity=100,
        ),
        style.Part(
            instrument="organ",
            patterns=("..c.......c.....", "..c.c.c...c.c.c."),
            low=57,
            velocity=70,
        ),
        style.Part(
            instrument="electric bass",
            patterns=("r---..t-f---....", "....r-r-f-t-r---", "r-....r-t-..f---"),
            low=28,
            velocity=120,
        ),
    ),
    swing=0.6,
    reverb=60,
)

SWING_JAZZ = style.Genre(
    name="swing jazz",
    tempo=(130, 190),
    moods=("happy", "playful", "nostalgic", "romantic"),
    leads=("saxophone", "trumpet", "clarinet", "vibraphone"),
    progressions=((2, 5, 1, 6), (1, 6, 2, 5), (3, 6, 2, 5), (1, 4, 2, 5)),
    rhythms=(
        "x-----x---------x---x-----------",
        "..x-x-x---x-....x-x-x-....x-----",
        "x-x-x-x-x-..x-x-x-x-..x-x-x-x-..",
    ),
    drums={
        "ride": ("x...x.x.x...x.x.", "x...x.x.x...x.x.", "x...x...x...x.x."),
        "pedal hat": ("....x.......x...", "....x.......x...", "....x.......x..."),
        "snare": ("..........g.....", "......g.......g.", "..g.......x....."),
        "kick": ("g.......g.......", "g.............g.", "................"),
    },
    kit=32,
    parts=(
        style.Part(
            instrument="double bass",
            patterns=("r---t---f---a---", "r---f---t---a---", "o---f---t---a---"),
            low=30,
            velocity=115,
        ),
        style.Part(
            instrument="piano",
            patterns=("c-....c-........", "......c-......c-", "..c-......c-...."),
            low=55,
            velocity=72,
        ),
    ),
    swing=0.66,
    tones=4,
    lead_low=60,
    loose=0.01,
)

HIP_HOP = style.Genre(
    name="hip hop",
    tempo=(80, 94),
    moods=("calm", "dark", "nostalgic", "sad"),
    leads=("electric piano", "flute", "muted trumpet", "vibraphone"),
    progressions=((2, 5, 1, 1), (1, 6, 4, 5), (6, 2, 5, 1), (1, 4, 1, 4)),
    rhythms=(
        "x---------x-----x---------------",
        "x---x-----x-x---x-----x---------",
        "x-x-..x-..x-x---x-x-..x-x-------",
    ),
    drums={
        "kick": ("X......X..X.....", "X.......X.X.....", "X..X......X....."),
        "snare": ("....X.......X...", "....X.......X..g", "....X..g....X..."),
        "hat": ("x.x.x.x.x.x.x.x.", "x.xgx.x.x.xgx.xx", "x.x.x.xxx.x.x.x."),
    },
    kit=25,
    parts=(
        style.Part(
            instrument="electric piano",
            patterns=("c-----------....", "c-----....c-----", "c---..c---......"),
            low=55,
            velocity=82,
        ),
        style.Part(
            instrument="sub bass",
            patterns=("r------r..r-....", "r-------..r-f-..", "r--r......o-r-.."),
            low=28,
            velocity=120,
        ),
    ),
    swing=0.58,
    tones=4,
    loose=0.012,
)

GENRES = (METAL, REGGAE, SWING_JAZZ, HIP_HOP)
