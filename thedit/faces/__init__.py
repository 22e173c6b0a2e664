"""Networks that look at faces: detectors, landmarks, embeddings, blendshapes; `registry` names every one of them."""
