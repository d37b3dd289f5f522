// SPDX-License-Identifier: Apache-2.0
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * An extension of JUnit 5: a broker of its own for each test, {@code kafscaled --testing}. Commands
 * and their arguments are those of docs/test-fixture.md.
 *
 * <pre>{@code @RegisterExtension Kafscale kafka = new Kafscale();}</pre>
 */
public class Kafscale implements BeforeEachCallback, AfterEachCallback {
    private static final HttpClient CLIENT = HttpClient.newHttpClient();

    private Process process;
    private String bootstrap;
    private String commands;

    @Override
    public void beforeEach(ExtensionContext context) throws IOException {
        String binary = System.getenv().getOrDefault("KAFSCALED", "kafscaled");
        process = new ProcessBuilder(binary, "--testing")
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        BufferedReader output = new BufferedReader(
                new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
        bootstrap = expect(output, "broker listening on ");
        commands = expect(output, "testing on ");
    }

    @Override
    public void afterEach(ExtensionContext context) {
        process.destroyForcibly();
    }

    /** What clients take for bootstrap.servers. */
    public String bootstrap() {
        return bootstrap;
    }

    /** A command with its arguments: name, value, name, value. Returns the JSON of the answer. */
    public String command(String name, Object... arguments) throws IOException, InterruptedException {
        StringBuilder query = new StringBuilder();
        for (int i = 0; i < arguments.length; i += 2) {
            query.append(i == 0 ? '?' : '&').append(arguments[i]).append('=').append(
                    URLEncoder.encode(String.valueOf(arguments[i + 1]), StandardCharsets.UTF_8));
        }
        HttpResponse<String> answer = CLIENT.send(
                HttpRequest.newBuilder(URI.create(commands + name + query))
                        .POST(HttpRequest.BodyPublishers.noBody()).build(),
                HttpResponse.BodyHandlers.ofString());
        if (answer.statusCode() != 200) {
            throw new IllegalStateException(name + query + ": " + answer.body());
        }
        return answer.body();
    }

    private static String expect(BufferedReader output, String prefix) throws IOException {
        String line = output.readLine();
        if (line == null || !line.startsWith(prefix)) {
            throw new IOException("kafscaled didn't start: " + line);
        }
        return line.substring(prefix.length());
    }
}
