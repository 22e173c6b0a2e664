"""From followed faces to clips: who is shown in which frames, and which frames are good enough."""

from dataclasses import dataclass

import numpy as np

from thedit.config import Preprocess
from thedit.video.boxes import box, spread
from thedit.video.track import Track

OUTSIDE = 3  # landmarks that may lie beyond the picture's edge, or the crop's
# Largest distance of fitted from detected landmarks, in eye distances. Followed faces reach 0.078 in seven real clips
# (1,890 frames, 99 % below 0.062) and 0.100 in AnnyHeads (2,230 frames, 99 % below 0.066) with dlib, 0.045 and 0.029
# with annyheads.
MISFIT = 0.12
SHARP = 100.0  # sharpness at which a frame loses half its quality
BOX = 5.2  # side of the crop over the spread of a frontal face's landmarks, a little less than it is
OPEN = 0.25  # height over width of an open eye
OUTSIDE_CROP = "face outside the clip's crop"


@dataclass(frozen=True)
class Clip:
    """One face in one shot.

    face is its number within the segment, 0 for the main one; frames (T,), landmarks (T, 68, 2) and those that the
    head is fitted to, pose_landmarks (T, 68, 2), in pixels, and sharpness (T,).
    """

    face: int
    frames: np.ndarray
    landmarks: np.ndarray
    pose_landmarks: np.ndarray
    sharpness: np.ndarray


def assemble(tracks: list[Track], cuts: list[int], every_face: bool) -> list[Clip]:
    """Clips of the tracks, by their first frame.

    Every face: each track is a clip and a face of its own. Otherwise, in each shot (between ``cuts``), the track that
    fills most of the video, and where that is absent the next one: all of them are the one person of the video.
    """
    ordered = sorted(tracks, key=lambda track: (-track.area, track.frames[0]))
    if every_face:
        return sorted((join([track], number) for number, track in enumerate(ordered)), key=lambda clip: clip.frames[0])
    shots: dict[int, list[Track]] = {}
    taken: set[int] = set()
    for track in ordered:
        if taken.isdisjoint(track.frames):
            taken.update(track.frames)
            shots.setdefault(int(np.searchsorted(cuts, track.frames[0], side="right")), []).append(track)
    return [join(shots[shot]) for shot in sorted(shots)]


def divide(clip: Clip, width: int, height: int) -> list[Clip]:
    """Cut a clip wherever the face has wandered further than one box can show (FOMM does likewise)."""
    side = min(BOX * float(np.median([spread(points) for points in clip.landmarks])), width, height)
    low, high = clip.landmarks.min(1), clip.landmarks.max(1)  # (T, 2)
    starts = [0]
    for row in range(1, len(clip.frames)):
        extent = high[starts[-1] : row + 1].max(0) - low[starts[-1] : row + 1].min(0)
        if (np.minimum(extent, (width, height)) > side).any():
            starts.append(row)
    return [rows(clip, slice(start, stop)) for start, stop in zip(starts, [*starts[1:], None])]


def rows(clip: Clip, part: slice) -> Clip:
    """Some frames of a clip."""
    return Clip(clip.face, clip.frames[part], clip.landmarks[part], clip.pose_landmarks[part], clip.sharpness[part])


def flaws(
    clip: Clip, width: int, height: int, yaw: np.ndarray, within: np.ndarray, misfit: np.ndarray, settings: Preprocess
) -> list[str]:
    """Why each frame of a clip is dropped; an empty text where it is kept.

    yaw (T,) degrees; within (T, 68, 2): landmarks in the crop's normalised coordinates; misfit (T,) in eye distances.
    """
    reasons = []
    for row in range(len(clip.frames)):
        points = clip.landmarks[row]
        side = box(points)[2] - box(points)[0]
        if side < settings.min_face:
            reason = f"face too small ({side:.0f} < {settings.min_face} pixels)"
        elif clip.sharpness[row] < settings.min_sharpness:
            reason = f"blurred (sharpness {clip.sharpness[row]:.1f} < {settings.min_sharpness:g})"
        elif ((points < 0) | (points > (width, height))).any(1).sum() > OUTSIDE:
            reason = "face cut off by the picture's edge"
        elif not misfit[row] <= MISFIT:
            reason = f"landmarks fit no head (error {misfit[row]:.2f} > {MISFIT} eye distances)"
        elif abs(yaw[row]) > settings.max_yaw:
            reason = f"turned too far (yaw {yaw[row]:.0f} degrees, limit {settings.max_yaw:g})"
        elif ((within[row] < 0) | (within[row] > 1)).any(1).sum() > OUTSIDE:
            reason = OUTSIDE_CROP
        else:
            reason = ""
        reasons.append(reason)
    return reasons


def quality(landmarks: np.ndarray, sharpness: float, angles: np.ndarray, scale: float) -> float:
    """How good a source a frame is, in [0, 1]: frontal, sharp, open eyes, enough pixels; a product of the four.

    landmarks (68, 2) in any unit, angles (3,) in degrees, scale: pixels of the crop in the video a pixel of the result.
    """
    frontal = float(np.prod(np.cos(np.radians(angles[:2])).clip(0)))
    sharp = sharpness / (sharpness + SHARP)
    eyes = [landmarks[36:42], landmarks[42:48]]
    opening = np.mean([np.ptp(eye[:, 1]) / max(float(np.ptp(eye[:, 0])), 1e-6) for eye in eyes])
    return frontal * sharp * float(min(1.0, opening / OPEN)) * min(1.0, scale)


def join(tracks: list[Track], face: int = 0) -> Clip:
    """The clip of tracks that have no frame in common."""
    frames = np.concatenate([track.frames for track in tracks])
    order = np.argsort(frames, kind="stable")
    landmarks = np.concatenate([np.stack(track.landmarks) for track in tracks])
    pose_landmarks = np.concatenate([np.stack(track.pose_landmarks) for track in tracks])
    sharpness = np.concatenate([track.sharpness for track in tracks])
    return Clip(face, frames[order], landmarks[order], pose_landmarks[order], sharpness[order])
