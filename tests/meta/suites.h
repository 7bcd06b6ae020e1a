/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "support/suite.h"

Suite *meta_command_suite(void);
Suite *meta_apply_suite(void);
Suite *meta_change_suite(void);
Suite *meta_image_suite(void);
Suite *meta_model_suite(void);
Suite *meta_place_suite(void);
