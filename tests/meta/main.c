/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "meta/suites.h"

TEST_MAIN("meta", meta_command_suite, meta_apply_suite, meta_image_suite, meta_model_suite, meta_place_suite,
          meta_change_suite)
