"""Readers of audio folders and of public data sets' metadata.

    audio_folder    the audio files below a folder, and captions beside them
    musiccaps       captions and aspects of ten-second YouTube clips
    song_describer  captions of MTG-Jamendo recordings
    mtg_jamendo     tags of genre, instrument and mood
    fma             tracks of the Free Music Archive: genres, tags, licences
    joining         rows of any of these with their audio: rows of a manifest

A reader turns each row into an `items.Item` or, where it cannot be used, into an
`items.Problem`; no row is left out in silence.
"""
