/* SPDX-License-Identifier: LGPL-2.1-or-later */

import java.nio.ByteBuffer;
import java.util.HexFormat;

/** Bytes as the vector files write them: "-" is null, "." is empty. */
final class Hex {
    private Hex() {
    }

    static String of(ByteBuffer bytes) {
        byte[] b = new byte[bytes.remaining()];
        bytes.duplicate().get(b);
        return of(b);
    }

    static String of(byte[] b) {
        if (b == null)
            return "-";
        return b.length == 0 ? "." : HexFormat.of().formatHex(b);
    }
}
