// The page's one player. The picture, the steps and the caption follow it, and so show the same moment.

import { Player } from "./player.js";

export const player = new Player();
