import Torch

/// 2 x 2 latent pixels as one token (diffusers' `_pack_latents`). `[B, C, h, w] -> [B, S, 4 C]`
func packed(_ latents: Tensor) -> Tensor {
  let shape = latents.shape
  let (channels, height, width) = (shape[1], shape[2] / 2, shape[3] / 2)
  return latents.reshaped([shape[0], channels, height, 2, width, 2])
    .permuted([0, 2, 4, 1, 3, 5])
    .reshaped([shape[0], height * width, 4 * channels])
}

/// The inverse of `packed`. `[B, S, 4 C] -> [B, C, h, w]`
func unpacked(_ tokens: Tensor, height: Int, width: Int) -> Tensor {
  let (count, channels) = (tokens.shape[0], tokens.shape[2] / 4)
  return tokens.reshaped([count, height / 2, width / 2, channels, 2, 2])
    .permuted([0, 3, 1, 4, 2, 5])
    .reshaped([count, channels, height, width])
}
