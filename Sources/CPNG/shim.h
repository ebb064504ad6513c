#include <png.h>
#include <stdint.h>
#include <string.h>

// libpng leaves a function by longjmp when it meets a fault, which Swift code cannot take part in:
// these functions catch it and return 0.

/// A PNG that is being read. All members are 0 before cpng_begin.
typedef struct {
  png_structp png;
  png_infop info;
  const unsigned char *bytes;
  size_t count;
  size_t position;
  uint32_t width;
  uint32_t height;
  /// libpng's words for a fault.
  char message[128];
} cpng_reader;

static void cpng_fault(png_structp png, png_const_charp message) {
  cpng_reader *reader = (cpng_reader *)png_get_error_ptr(png);
  strncpy(reader->message, message, sizeof reader->message - 1);
  png_longjmp(png, 1);
}

static void cpng_warning(png_structp png, png_const_charp message) {
  (void)png;
  (void)message;
}

static void cpng_take(png_structp png, png_bytep target, size_t count) {
  cpng_reader *reader = (cpng_reader *)png_get_io_ptr(png);
  if (count > reader->count - reader->position) png_error(png, "the file ends too early");
  memcpy(target, reader->bytes + reader->position, count);
  reader->position += count;
}

static inline void cpng_end(cpng_reader *reader) {
  png_destroy_read_struct(&reader->png, &reader->info, NULL);
}

/// Reads everything before the pixels: width and height. Nothing may move `bytes` until cpng_end.
static inline int cpng_begin(cpng_reader *reader, const void *bytes, size_t count) {
  reader->bytes = (const unsigned char *)bytes;
  reader->count = count;
  reader->png =
      png_create_read_struct(PNG_LIBPNG_VER_STRING, reader, cpng_fault, cpng_warning);
  if (reader->png == NULL) return 0;
  if (setjmp(png_jmpbuf(reader->png))) return 0;
  reader->info = png_create_info_struct(reader->png);
  if (reader->info == NULL) return 0;
  png_set_read_fn(reader->png, reader, cpng_take);
  // Sizes are limited by the caller, who names them.
  png_set_user_limits(reader->png, 0x7fffffff, 0x7fffffff);
  png_read_info(reader->png, reader->info);
  reader->width = png_get_image_width(reader->png, reader->info);
  reader->height = png_get_image_height(reader->png, reader->info);
  return 1;
}

/// Reads the pixels as 8-bit RGB, `width * height * 3` bytes: the stored values, of 16 bits the high
/// byte, without alpha and without regard to gamma.
static inline int cpng_pixels(cpng_reader *reader, unsigned char *pixels) {
  png_structp png = reader->png;
  if (setjmp(png_jmpbuf(png))) return 0;
  png_set_strip_16(png);
  png_byte color = png_get_color_type(png, reader->info);
  if (color == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
  if (color == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(png);
  if (!(color & PNG_COLOR_MASK_COLOR)) png_set_gray_to_rgb(png);
  png_set_strip_alpha(png);
  int passes = png_set_interlace_handling(png);
  png_read_update_info(png, reader->info);
  size_t stride = (size_t)reader->width * 3;
  if (png_get_rowbytes(png, reader->info) != stride) png_error(png, "an unknown layout of pixels");
  for (int pass = 0; pass < passes; pass++)
    for (uint32_t row = 0; row < reader->height; row++)
      png_read_row(png, pixels + row * stride, NULL);
  return 1;
}

/// The EXIF block of a PNG whose pixels have been read, NULL without one. It may lie behind the
/// pixels; faults there are passed over. The bytes last until cpng_end.
static inline const unsigned char *cpng_exif(cpng_reader *reader, uint32_t *count) {
  if (!setjmp(png_jmpbuf(reader->png))) png_read_end(reader->png, reader->info);
  png_bytep bytes = NULL;
  png_uint_32 size = 0;
  if (!png_get_eXIf_1(reader->png, reader->info, &size, &bytes)) return NULL;
  *count = size;
  return bytes;
}
