/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "support/suite.h"

Suite *producer_suite(void);
Suite *producer_image_suite(void);
Suite *producer_model_suite(void);
Suite *refusals_suite(void);
