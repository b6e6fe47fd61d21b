"""Genres without amplifiers: solo piano, tango, waltz, bluegrass."""

from musicrl_jax.synthesis import style

SOLO_PIANO = style.Genre(
    name="solo piano",
    tempo=(58, 76),
    moods=("sad", "romantic", "calm", "nostalgic"),
    leads=("piano",),
    progressions=((1, 5, 6, 4), (1, 6, 4, 5), (6, 4, 1, 5), (1, 3, 4, 4)),
    rhythms=(
        "x-------x-------x---------------",
        "x-----x-x---x---x-----x-x-------",
        "x---x-x-x---x-x-x-x-x-x-x-------",
    ),
    parts=(
        style.Part(
            instrument="piano",
            patterns=("1-2-3-4-3-2-3-2-", "1-3-5-3-1-3-5-3-", "1-2-3-5-4-3-2-3-"),
            low=48,
            velocity=78,
        ),
        style.Part(
            instrument="piano",
            patterns=("r---------------", "r-------f-------"),
            low=31,
            velocity=88,
        ),
    ),
    lead_low=69,
    lead_velocity=88,
    reverb=70,
    loose=0.015,
)

TANGO = style.Genre(
    name="tango",
    tempo=(112, 128),
    moods=("dramatic", "dark", "romantic", "sad"),
    leads=("accordion", "violin", "clarinet"),
    progressions=((1, 1, 5, 5), (1, 4, 5, 1), (1, 6, 5, 1), (4, 1, 5, 1)),
    rhythms=(
        "x-----x-x-------x-----x-x-------",
        "x--xx-x-x---x---x--xx-x-x-------",
        "xxx-x-x-xxx-x-x-x---x---x-x-x---",
    ),
    parts=(
        style.Part(
            instrument="piano",
            patterns=("c.......c...c...", "c...c...c...c...", "c.....c.c...c..."),
            low=55,
            velocity=100,
        ),
        style.Part(
            instrument="accordion",
            patterns=("c..cc...c...c...", "c.....c.c...c..."),
            low=58,
            velocity=70,
        ),
        style.Part(
            instrument="double bass",
            patterns=("r.....f.r...f...", "r...r...r...r...", "r..rf...r...a..."),
            low=31,
            velocity=115,
        ),
    ),
    lead_low=67,
    lead_velocity=112,
    reverb=45,
    loose=0.008,
)

WALTZ = style.Genre(
    name="waltz",
    tempo=(150, 186),
    beats=3,
    moods=("romantic", "playful", "happy", "nostalgic"),
    leads=("strings", "flute", "french horn", "oboe"),
    progressions=((1, 1, 5, 5, 5, 5, 1, 1), (1, 4, 5, 1), (1, 6, 2, 5), (4, 1, 5, 1)),
    rhythms=(
        "x-----------x-----------",
        "x-------x---x-------x---",
        "x---x---x---x---x-x-x---",
    ),
    parts=(
        style.Part(
            instrument="pizzicato strings",
            patterns=("....c...c...",),
            low=57,
            velocity=105,
        ),
        style.Part(
            instrument="strings",
            patterns=("....c...c...", "c-----------"),
            low=57,
            velocity=62,
        ),
        style.Part(
            instrument="double bass",
            patterns=("r-..........", "r---......a."),
            low=31,
            velocity=118,
        ),
    ),
    lead_low=65,
    lead_velocity=108,
    reverb=80,
    loose=0.008,
)

BLUEGRASS = style.Genre(
    name="bluegrass",
    tempo=(112, 132),
    moods=("happy", "playful", "energetic", "nostalgic"),
    leads=("banjo", "fiddle", "harmonica", "acoustic guitar"),
    progressions=((1, 1, 4, 5), (1, 4, 1, 5), (1, 1, 5, 1), (1, 4, 5, 1)),
    rhythms=(
        "x---x-x-x---x---x---x-x-x-------",
        "x-x-x-x-x-x-x---x-x-x-x-x---x---",
        "x-xxx-xxx-xxx-x-x-xxx-xxx-x-x---",
    ),
    parts=(
        style.Part(
            instrument="banjo",
            patterns=("1324132413241324", "1.3214.31.3214.3"),
            low=55,
            velocity=72,
        ),
        style.Part(
            instrument="acoustic guitar",
            patterns=("....c.......c...", "..c.c.c...c.c.c."),
            low=52,
            velocity=95,
        ),
        style.Part(
            instrument="double bass",
            patterns=("r-......f-......", "r-......f-....a."),
            low=31,
            velocity=115,
        ),
    ),
    lead_low=67,
    lead_velocity=110,
    reverb=25,
)

GENRES = (SOLO_PIANO, TANGO, WALTZ, BLUEGRASS)
