/** A lamp that casts soft shadows, a sky, a faint light from the other side; and a bright room for reflections, where that is cheap. */

import { DirectionalLight, Group, HemisphereLight, PMREMGenerator, Vector3 } from "../../vendor/three/three.module.js";
import { RoomEnvironment } from "../../vendor/three/RoomEnvironment.js";

const DIRECTION = new Vector3(0.55, 1, 0.62).normalize();

export class Lights {
  constructor() {
    this.group = new Group();
    this.lamp = new DirectionalLight(0xfff4e8, 2.7);
    this.sky = new HemisphereLight(0xe4ecff, 0xa39b90, 1.9);
    this.fill = new DirectionalLight(0xcfdcff, 0.8);
    this.fill.position.set(-0.8, 0.35, -0.5);
    this.group.add(this.lamp, this.lamp.target, this.sky, this.fill);
    this.lamp.castShadow = true;
    this.lamp.shadow.mapSize.set(2048, 2048);
    this.lamp.shadow.radius = 4;
  }

  /** Surround a scene by a room. @param {any} renderer @param {any} scene */
  surround(renderer, scene) {
    this.sky.intensity = 0.45;
    this.lamp.intensity = 2;
    this.fill.intensity = 0.25;
    scene.environmentIntensity = 0.75;
    const generator = new PMREMGenerator(renderer);
    const room = new RoomEnvironment();
    scene.environment = generator.fromScene(room, 0.03).texture;
    room.dispose();
    generator.dispose();
  }

  /** Light a scene. @param {import("../../vendor/three/three.module.js").Box3} box */
  fit(box) {
    const centre = box.getCenter(new Vector3());
    const radius = Math.max(box.getSize(new Vector3()).length() / 2, 0.1);
    this.lamp.target.position.copy(centre);
    this.lamp.position.copy(centre).addScaledVector(DIRECTION, radius * 2);
    const { camera } = this.lamp.shadow;
    camera.left = camera.bottom = -radius;
    camera.right = camera.top = radius;
    camera.near = radius * 0.5;
    camera.far = radius * 3.5;
    camera.updateProjectionMatrix();
    const texel = (2 * radius) / this.lamp.shadow.mapSize.x;
    this.lamp.shadow.normalBias = texel * 2;
    this.lamp.shadow.bias = -texel / (radius * 3) * 0.7;
    this.group.updateMatrixWorld(true);
  }
}
