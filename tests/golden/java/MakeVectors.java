/* SPDX-License-Identifier: LGPL-2.1-or-later */

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

import org.apache.kafka.common.utils.AppInfoParser;

/** MakeVectors DIRECTORY SEED: writes messages.txt and batches.txt into the directory. */
public final class MakeVectors {
    private MakeVectors() {
    }

    private static PrintWriter open(Path path, String what, long seed) throws IOException {
        PrintWriter out = new PrintWriter(Files.newBufferedWriter(path, StandardCharsets.UTF_8));
        out.println("# SPDX-License-Identifier: LGPL-2.1-or-later");
        out.println("# " + what + ", as kafka-clients " + AppInfoParser.getVersion() + " encodes them; seed " + seed
            + ". Made by make-vectors, see README.md.");
        return out;
    }

    public static void main(String[] args) throws IOException, ReflectiveOperationException {
        Path directory = Path.of(args[0]);
        long seed = Long.parseLong(args[1]);

        try (PrintWriter out = open(directory.resolve("messages.txt"), "Messages", seed)) {
            new MessageVectors(seed, out).write();
        }
        try (PrintWriter out = open(directory.resolve("batches.txt"), "Record batches", seed)) {
            new BatchVectors(seed, out).write();
        }
    }
}
