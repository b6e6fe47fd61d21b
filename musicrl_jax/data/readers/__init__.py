"""Readers of audio folders and of public data sets' metadata.

    audio_folder    the audio files below a folder, and captions beside them
    musiccaps       captions and aspects of ten-second YouTube clips
    song_describer  captions of MTG-Jamendo recordings
    mtg_jamendo     tags of genre, instrument and mood
    fma             tracks of the Free Music Archive: genres, tags, licences
    music_arena     battles of two systems, with votes and listening times
    aime            comparisons of ten-second parts of generated tracks
    cmi_pref        annotators' choices between two clips, with confidence
    musiceval       opinion scores of clips, as preferences
    songeval        experts' ratings of songs, as preferences
    joining         rows of any of these with their audio: rows of a manifest

A reader turns each row into an `items.Item` (of recordings) or a `votes.Vote` (of
preferences) or, where it cannot be used, into an `items.Problem`; no row is left out in
silence.
"""
