/** The tests are in English; what they test finds its words as it does in the page. */
import { speak } from '.';

await speak(['en-GB']);
